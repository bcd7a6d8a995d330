import {
  concat,
  conv2d,
  enlarge,
  type Graph,
  gather,
  groupNorm,
  matmul,
  matmulTransposed,
  plus,
  reshape,
  silu,
  softmax,
  spread,
  type Tensor,
  transpose,
} from "../graph/index.ts";
import type { WeightSource } from "../weights/weight-source.ts";

/** [batch, channels, height, width] with known sizes of an image. */
type ImageShape = readonly [Tensor["shape"][number], number, number, number];

const shapeOf = ({ shape }: Tensor): ImageShape => shape as unknown as ImageShape;

/** Settings that all norms and attentions of a network share. */
export interface ImageLayerSettings {
  readonly groups: number;
  readonly epsilon: number;
  /** Channels of a head of attention. */
  readonly headSize: number;
}

/**
 * Layers over images [batch, channels, height, width], each with its weights in one graph: the blocks of diffusers'
 * U-Nets, under diffusers' names.
 */
export class ImageLayers {
  constructor(
    private readonly weights: WeightSource,
    private readonly graph: Graph,
    private readonly settings: ImageLayerSettings,
  ) {}

  /** A convolution with a square kernel that keeps the sides, or with `stride` 2 halves them. */
  conv(name: string, x: Tensor, outputs: number, side: 1 | 3, stride = 1): Tensor {
    const inputs = shapeOf(x)[1];
    const flat = this.weights.table(this.graph, `${name}.weight`, [outputs, inputs * side * side]);
    const kernel = reshape(flat, [outputs, inputs, side, side]);
    return conv2d(x, kernel, this.#vector(`${name}.bias`, outputs), { stride, padding: (side - 1) / 2 });
  }

  norm(name: string, x: Tensor): Tensor {
    const channels = shapeOf(x)[1];
    const [gain, bias] = [this.#vector(`${name}.weight`, channels), this.#vector(`${name}.bias`, channels)];
    return groupNorm(x, gain, bias, this.settings);
  }

  /** x [..., inputs] → [..., outputs]. */
  linear(name: string, x: Tensor, outputs: number): Tensor {
    const weight = this.weights.table(this.graph, `${name}.weight`, [outputs, Number(x.shape.at(-1))]);
    return plus(matmulTransposed(x, weight), this.#vector(`${name}.bias`, outputs));
  }

  /** Vectors of classes i64 [batch]: [batch, width]. */
  embedding(name: string, classes: Tensor, rows: number, width: number): Tensor {
    return gather(this.weights.table(this.graph, `${name}.weight`, [rows, width]), classes, 0);
  }

  /** Twice the sides, then a convolution. */
  upsample(name: string, x: Tensor): Tensor {
    return this.conv(`${name}.conv`, enlarge(x, 2), shapeOf(x)[1], 3);
  }

  downsample(name: string, x: Tensor): Tensor {
    return this.conv(`${name}.conv`, x, shapeOf(x)[1], 3, 2);
  }

  /** Two convolutions beside x, with the condition [batch, width] added between them (`ResnetBlock2D`). */
  residual(name: string, x: Tensor, condition: Tensor, outputs: number): Tensor {
    const first = this.conv(`${name}.conv1`, silu(this.norm(`${name}.norm1`, x)), outputs, 3);
    const shift = this.linear(`${name}.time_emb_proj`, silu(condition), outputs);
    const conditioned = plus(first, overPlaces(shift, first));
    const second = this.conv(`${name}.conv2`, silu(this.norm(`${name}.norm2`, conditioned)), outputs, 3);
    const same = shapeOf(x)[1] === outputs;
    return plus(same ? x : this.conv(`${name}.conv_shortcut`, x, outputs, 1), second);
  }

  /** Attention of all places to all places beside x (`Attention` with a residual). */
  attention(name: string, x: Tensor): Tensor {
    const [batch, channels, height, width] = shapeOf(x);
    const flat = reshape(this.norm(`${name}.group_norm`, x), [batch, channels, height * width]);
    const places = transpose(flat, [0, 2, 1]);
    const { headSize } = this.settings;
    const inHeads = (part: string) => {
      const all = this.linear(`${name}.${part}`, places, channels);
      const apart = reshape(all, [batch, height * width, channels / headSize, headSize]);
      return transpose(apart, [0, 2, 1, 3]);
    };
    const scores = matmulTransposed(inHeads("to_q"), inHeads("to_k"), 1 / Math.sqrt(headSize));
    const mixed = transpose(matmul(softmax(scores), inHeads("to_v")), [0, 2, 1, 3]);
    const out = this.linear(`${name}.to_out.0`, reshape(mixed, [batch, height * width, channels]), channels);
    return plus(x, reshape(transpose(out, [0, 2, 1]), x.shape));
  }

  #vector(name: string, size: number): Tensor {
    return this.weights.vector(this.graph, { [name]: size });
  }
}

/** x [batch, channels] at each place of an image. */
function overPlaces(x: Tensor, image: Tensor): Tensor {
  const [, , height, width] = shapeOf(image);
  return reshape(spread(x, 2, height * width), image.shape);
}

/** The channels of both. */
export const joinChannels = (a: Tensor, b: Tensor): Tensor => concat([a, b], 1);
