import { gelu, plus, split, type Tensor, times } from "../graph/index.ts";
import { attend } from "./attend.ts";
import { type ImageLayers, imageOf, placesOf } from "./image-layers.ts";

/** The texts that an image attends to, and attention's sizes. */
export interface TextAttention {
  /** Hidden states, [batch, tokens, width]. */
  readonly texts: Tensor;
  readonly headSize: number;
  /** The number of groups in the norm before the first block. */
  readonly groups: number;
}

/** Epsilon of the norm before the first block; the other norms use a different epsilon. */
const EPSILON = 1e-6;

/**
 * A transformer block over an image's pixels on a residual branch: each pixel attends to all pixels, then to a text
 * (diffusers' `Transformer2DModel` with one `BasicTransformerBlock`). x [batch, channels, height, width].
 */
export function imageTransformer(layers: ImageLayers, name: string, x: Tensor, attention: TextAttention): Tensor {
  const channels = Number(x.shape[1]);
  const normed = layers.norm(`${name}.norm`, x, { groups: attention.groups, epsilon: EPSILON });
  const places = layers.linear(`${name}.proj_in`, placesOf(normed), channels);
  const mixed = block(layers, `${name}.transformer_blocks.0`, places, attention);
  return plus(x, imageOf(layers.linear(`${name}.proj_out`, mixed, channels), x));
}

function block(layers: ImageLayers, name: string, x: Tensor, { texts, headSize }: TextAttention): Tensor {
  const own = layers.layerNorm(`${name}.norm1`, x);
  const seen = plus(x, attention(layers, `${name}.attn1`, own, own, headSize));
  const queries = layers.layerNorm(`${name}.norm2`, seen);
  const read = plus(seen, attention(layers, `${name}.attn2`, queries, texts, headSize));
  return plus(read, feedForward(layers, `${name}.ff.net`, layers.layerNorm(`${name}.norm3`, read)));
}

function attention(layers: ImageLayers, name: string, x: Tensor, keys: Tensor, headSize: number): Tensor {
  const width = Number(x.shape[2]);
  const [q, k, v] = [x, keys, keys].map((of, i) => layers.product(`${name}.${PARTS[i]}`, of, width));
  return layers.linear(`${name}.to_out.0`, attend(q!, k!, v!, width / headSize).values, width);
}

const PARTS = ["to_q", "to_k", "to_v"] as const;

/** Values times the GELU of their gates; the gates come after the values (Shazeer 2020). */
function feedForward(layers: ImageLayers, name: string, x: Tensor): Tensor {
  const width = Number(x.shape[2]);
  const inside = layers.linear(`${name}.0.proj`, x, 8 * width);
  const [values, gates] = split(inside, 2, [4 * width, 4 * width]) as [Tensor, Tensor];
  return layers.linear(`${name}.2`, times(values, gelu(gates, "exact")), width);
}
