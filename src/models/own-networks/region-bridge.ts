import { type Graph, plus, type Tensor, unit } from "../../graph/index.ts";
import { attend } from "../../nn/attend.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";

/** The sizes of a bridge. */
export interface BridgeConfig {
  /** The width of a region's token. */
  readonly token: number;
  /** The width of the image–text model's tokens, and of the bridge. */
  readonly hidden: number;
  /** The width of the text space. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly ffn: number;
  /** True if the image's tokens first pass a layer norm. RegionSpot's code defines one, but does not call it. */
  readonly imageNorm: boolean;
}

/** The bridge's outputs. */
export interface BridgeOutput {
  /** A vector of length 1 in the text space for each region, [batch, regions, width]. */
  readonly vectors: Tensor;
  /** The last layer's attention to the image, [batch, heads, regions, image tokens]. */
  readonly attention: Tensor;
}

/**
 * RegionSpot's trained part (Yang et al. 2023, section 3.3; `Surrey-UPLab/Recognize-Any-Regions`): region tokens attend
 * to an image–text model's tokens of the entire image. Each post-norm layer has attention among regions, attention to
 * the image, and a feed-forward. Regions have no order.
 */
export class RegionBridge {
  constructor(
    readonly config: BridgeConfig,
    private readonly weights: WeightSource,
  ) {}

  /** tokens [batch, regions, token], image [batch, image tokens, hidden]. */
  vectors(g: Graph, tokens: Tensor, image: Tensor): BridgeOutput {
    const { hidden, layers, width, imageNorm } = this.config;
    const parts = new Parts(this.weights, g);
    const norm = (name: string) => parts.norm(name, hidden, { norm: "layer", epsilon: 1e-5 });
    const read = imageNorm ? normalise(image, norm("image_norm")) : image;
    let x = parts.project(tokens, { to_clip: hidden });
    let attention: Tensor | undefined;
    for (let layer = 0; layer < layers; layer++) {
      const name = (part: string) => `blk.${layer}.${part}`;
      x = normalise(plus(x, this.#look(parts, name("self"), x, x).values), norm(name("self_norm")));
      const seen = this.#look(parts, name("cross"), x, read);
      attention = seen.weights;
      x = normalise(plus(x, seen.values), norm(name("cross_norm")));
      const inside = activateMlp(parts.project(x, { [name("ffn_up")]: this.config.ffn }), "relu", false);
      x = normalise(plus(x, parts.project(inside, { [name("ffn_down")]: hidden })), norm(name("ffn_norm")));
    }
    const last = normalise(x, norm("output_norm"));
    return { vectors: unit(parts.project(last, { projector: width })), attention: attention! };
  }

  #look(parts: Parts, name: string, from: Tensor, to: Tensor) {
    const { hidden, heads } = this.config;
    const q = parts.project(from, { [`${name}_attn_q`]: hidden });
    const [k, v] = ["k", "v"].map((of) => parts.project(to, { [`${name}_attn_${of}`]: hidden }));
    const { values, weights } = attend(q, k!, v!, heads);
    return { values: parts.project(values, { [`${name}_attn_output`]: hidden }), weights };
  }
}
