import {
  averageSquares,
  concat,
  conv2d,
  enlarge,
  full,
  type Graph,
  gather,
  groupNorm,
  layerNorm,
  matmulTransposed,
  plus,
  reshape,
  silu,
  split,
  spread,
  type Tensor,
  times,
  transpose,
} from "../graph/index.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { attend } from "./attend.ts";

/** [batch, channels, height, width]; the image's sizes are known. */
type ImageShape = readonly [Tensor["shape"][number], number, number, number];

/** The default of PyTorch's `LayerNorm`. */
const ROWS_EPSILON = 1e-5;

const shapeOf = ({ shape }: Tensor): ImageShape => shape as unknown as ImageShape;

/** Settings shared by all norms and blocks of a network. */
export interface ImageLayerSettings {
  readonly groups: number;
  readonly epsilon: number;
  /** True if a condition also scales the values that it is added to. */
  readonly scales?: boolean;
}

/** A block's effect on an image's sides: none, halving, or doubling. */
export type Resampling = "same" | "half" | "twice";

/**
 * Layers for images [batch, channels, height, width], with weights in one graph: the blocks of diffusers' U-Nets, under
 * diffusers' names.
 */
export class ImageLayers {
  constructor(
    private readonly weights: WeightSource,
    private readonly graph: Graph,
    private readonly settings: ImageLayerSettings,
  ) {}

  /** A convolution with a square kernel. It preserves the image's size, or halves it with `stride` 2. */
  conv(name: string, x: Tensor, outputs: number, side: 1 | 3, stride = 1, padding = (side - 1) / 2): Tensor {
    const inputs = shapeOf(x)[1];
    const flat = this.weights.table(this.graph, `${name}.weight`, [outputs, inputs * side * side]);
    const kernel = reshape(flat, [outputs, inputs, side, side]);
    return conv2d(x, kernel, this.#vector(`${name}.bias`, outputs), { stride, padding });
  }

  norm(name: string, x: Tensor, { groups, epsilon }: ImageLayerSettings = this.settings): Tensor {
    const channels = shapeOf(x)[1];
    const [gain, bias] = [this.#vector(`${name}.weight`, channels), this.#vector(`${name}.bias`, channels)];
    return groupNorm(x, gain, bias, { groups, epsilon });
  }

  /** Normalises rows [batch, rows, width], not images. */
  layerNorm(name: string, x: Tensor): Tensor {
    const width = Number(x.shape.at(-1));
    return layerNorm(x, this.#vector(`${name}.weight`, width), this.#vector(`${name}.bias`, width), ROWS_EPSILON);
  }

  /** x [..., inputs] → [..., outputs], without a bias. */
  product(name: string, x: Tensor, outputs: number): Tensor {
    return matmulTransposed(x, this.weights.table(this.graph, `${name}.weight`, [outputs, Number(x.shape.at(-1))]));
  }

  /** x [..., inputs] → [..., outputs]. */
  linear(name: string, x: Tensor, outputs: number): Tensor {
    return plus(this.product(name, x, outputs), this.#vector(`${name}.bias`, outputs));
  }

  /** Embeddings of classes i64 [batch]: [batch, width]. */
  embedding(name: string, classes: Tensor, rows: number, width: number): Tensor {
    return gather(this.weights.table(this.graph, `${name}.weight`, [rows, width]), classes, 0);
  }

  /** Doubles the size, then convolves. */
  upsample(name: string, x: Tensor): Tensor {
    return this.conv(`${name}.conv`, enlarge(x, 2), shapeOf(x)[1], 3);
  }

  /** Halves the size by a convolution padded with zeros only below and on the right (diffusers' `Downsample2D`, `padding` 0). */
  halve(name: string, x: Tensor): Tensor {
    const wider = withZeros(withZeros(x, 2), 3);
    return this.conv(`${name}.conv`, wider, shapeOf(x)[1], 3, 2, 0);
  }

  downsample(name: string, x: Tensor): Tensor {
    return this.conv(`${name}.conv`, x, shapeOf(x)[1], 3, 2);
  }

  /**
   * Two convolutions on a residual branch, with the condition [batch, width], if present, between them
   * (`ResnetBlock2D`). The size changes before the first convolution.
   */
  residual(
    name: string,
    x: Tensor,
    condition: Tensor | undefined,
    outputs: number,
    sides: Resampling = "same",
  ): Tensor {
    const input = resampled(silu(this.norm(`${name}.norm1`, x)), sides);
    const first = this.conv(`${name}.conv1`, input, outputs, 3);
    const conditioned = silu(this.#conditioned(name, first, condition));
    const second = this.conv(`${name}.conv2`, conditioned, outputs, 3);
    const beside = resampled(x, sides);
    const same = shapeOf(x)[1] === outputs;
    return plus(same ? beside : this.conv(`${name}.conv_shortcut`, beside, outputs, 1), second);
  }

  /** The second norm of x. The condition is added to x, or scales and shifts its result (Dhariwal & Nichol 2021). */
  #conditioned(name: string, x: Tensor, condition: Tensor | undefined): Tensor {
    const norm = (of: Tensor) => this.norm(`${name}.norm2`, of);
    if (!condition) return norm(x);
    const channels = shapeOf(x)[1];
    const projection = (outputs: number) => this.linear(`${name}.time_emb_proj`, silu(condition), outputs);
    if (!this.settings.scales) return norm(plus(x, overPlaces(projection(channels), x)));
    const [factor, shift] = split(projection(2 * channels), 1, [channels, channels]) as [Tensor, Tensor];
    const normed = norm(x);
    return plus(plus(normed, times(normed, overPlaces(factor, x))), overPlaces(shift, x));
  }

  /** Attention between all pixels on a residual branch (`Attention` with a residual). */
  attention(name: string, x: Tensor, headSize: number): Tensor {
    const places = placesOf(this.norm(`${name}.group_norm`, x));
    const part = (of: string) => this.linear(`${name}.${of}`, places, shapeOf(x)[1]);
    const { values } = attend(part("to_q"), part("to_k"), part("to_v"), shapeOf(x)[1] / headSize);
    return plus(x, imageOf(this.linear(`${name}.to_out.0`, values, shapeOf(x)[1]), x));
  }

  #vector(name: string, size: number): Tensor {
    return this.weights.vector(this.graph, { [name]: size });
  }
}

/** The pixels of an image as rows: [batch, height · width, channels]. */
export function placesOf(x: Tensor): Tensor {
  const [batch, channels, height, width] = shapeOf(x);
  return transpose(reshape(x, [batch, channels, height * width]), [0, 2, 1]);
}

/** Rows of pixels as an image in the shape of `like`. */
export const imageOf = (places: Tensor, like: Tensor): Tensor => reshape(transpose(places, [0, 2, 1]), like.shape);

/** x [batch, channels] repeated at each pixel of an image. */
function overPlaces(x: Tensor, image: Tensor): Tensor {
  const [, , height, width] = shapeOf(image);
  return reshape(spread(x, 2, height * width), image.shape);
}

/** The channels of two images, concatenated. */
export const joinChannels = (a: Tensor, b: Tensor): Tensor => concat([a, b], 1);

/** An image with one row (axis 2) or column (axis 3) of zeros appended. */
function withZeros(x: Tensor, axis: 2 | 3): Tensor {
  const size = shapeOf(x)[axis];
  const [, edge] = split(x, axis, [size - 1, 1]) as [Tensor, Tensor];
  return concat([x, full(edge, 0)], axis);
}

function resampled(x: Tensor, sides: Resampling): Tensor {
  switch (sides) {
    case "same":
      return x;
    case "half":
      return averageSquares(x, 2);
    case "twice":
      return enlarge(x, 2);
  }
}
