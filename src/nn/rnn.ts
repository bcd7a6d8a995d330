import { concat, matmulTransposed, plus, reshape, split, type Tensor, tanh, tanhRecurrence } from "../graph/index.ts";
import type { MixerWeights } from "./mixer-weights.ts";

/** Sizes of a simple recurrent network's layer. */
export interface RnnConfig {
  /** The width of the layer's input and result. */
  readonly hidden: number;
  /** The width of the layer's state. */
  readonly inner: number;
}

const OWN = "hidden_proj.weight";
const enter = (weights: MixerWeights, { inner }: RnnConfig, x: Tensor): Tensor =>
  weights.project(x, "in_proj", inner, true);

/**
 * A layer over whole sequences, for training: x [batch, tokens, hidden] → [batch, tokens, hidden], out_proj(h) of h_t =
 * tanh(in_proj(x_t) + W h_(t−1)) (Elman 1990; in_proj and W as in PyTorch's nn.RNN). `tokens` is a number, because the
 * layer takes one sequential product per token.
 */
export function rnn(weights: MixerWeights, config: RnnConfig, x: Tensor): Tensor {
  const { hidden, inner } = config;
  const u = enter(weights, config, x);
  const [batch, tokens] = u.shape as [number, number];
  const own = weights.tensor(OWN, [inner, inner]);
  const states: Tensor[] = [];
  for (const each of split(u, 1, new Array<number>(tokens).fill(1))) {
    const before = states.at(-1);
    const input = reshape(each, [batch, inner]);
    states.push(tanh(before ? plus(input, matmulTransposed(before, own)) : input));
  }
  const rows = states.map((h) => reshape(h, [batch, 1, inner]));
  return weights.project(rows.length > 1 ? concat(rows, 1) : rows[0]!, "out_proj", hidden);
}

/** Like `rnn`, for further tokens: `state` [batch, inner] is the last h, zeros before the first token. */
export function rnnStep(
  weights: MixerWeights,
  config: RnnConfig,
  x: Tensor,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const { hidden, inner } = config;
  const next = tanhRecurrence(enter(weights, config, x), weights.tensor(OWN, [inner, inner]), state);
  return { y: weights.project(next.h, "out_proj", hidden), state: next.state };
}
