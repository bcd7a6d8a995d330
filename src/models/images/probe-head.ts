import { type Graph, plus, reshape, type Tensor } from "../../graph/index.ts";
import { attend } from "../../nn/attend.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { EncoderConfig } from "../encoder/encoder.ts";
import { Parts } from "../tensors/parts.ts";

/**
 * The vector of a whole image by a learned query that looks at all its tokens, then a feed-forward (SigLIP's pooling head
 * in transformers, after Lee et al. 2019, section 3.2): tokens [batch, tokens, hidden], `first` zeros i64 [batch, 1] →
 * [batch, hidden].
 */
export function probed(graph: Graph, weights: WeightSource, tokens: Tensor, first: Tensor, config: EncoderConfig) {
  const { hidden, heads, ffn, activation, epsilon } = config;
  const parts = new Parts(weights, graph);
  const q = parts.project(parts.rows("probe", first, 1, hidden), { "probe.attn_q": hidden });
  const [k, v] = ["k", "v"].map((of) => parts.project(tokens, { [`probe.attn_${of}`]: hidden }));
  const seen = parts.project(attend(q, k!, v!, heads).values, { "probe.attn_output": hidden });
  const normed = normalise(seen, parts.norm("probe.ffn_norm", hidden, { norm: "layer", epsilon }));
  const inside = activateMlp(parts.project(normed, { "probe.ffn_up": ffn }), activation, false);
  return reshape(plus(seen, parts.project(inside, { "probe.ffn_down": hidden })), [tokens.shape[0]!, hidden]);
}
