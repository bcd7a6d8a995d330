import { causalConv, causalConvWithState, reshape, type Tensor, times } from "../graph/index.ts";
import type { MixerWeights } from "./mixer-weights.ts";

/** Sizes of a short convolution layer. */
export interface ShortConvConfig {
  /** The width of the input and result, and the number of the convolution's channels. */
  readonly hidden: number;
  /** The number of tokens that the convolution sees, including the current one. */
  readonly convWidth: number;
}

/** The number of floats that a sequence keeps between tokens: the convolution's last inputs. */
export const shortConvStateSize = ({ hidden, convWidth }: ShortConvConfig): number => (convWidth - 1) * hidden;

/**
 * A short convolution between two gates over whole sequences, for training (LFM2, Liquid AI 2025): x [batch, tokens, hidden]
 * → the same shape, out(c · conv(b · v)); b, c and v are parts of one projection.
 */
export function shortConv(weights: MixerWeights, config: ShortConvConfig, x: Tensor): Tensor {
  const { inputs, gate } = enter(weights, config, x);
  return leave(weights, config, causalConv(inputs, filters(weights, config)), gate);
}

/** Like `shortConv`, for further tokens: `state` [batch, shortConvStateSize], zeros before the first token. */
export function shortConvStep(
  weights: MixerWeights,
  config: ShortConvConfig,
  x: Tensor,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const { hidden, convWidth } = config;
  const { inputs, gate } = enter(weights, config, x);
  const before = reshape(state, [state.shape[0]!, convWidth - 1, hidden]);
  const mixed = causalConvWithState(inputs, filters(weights, config), undefined, before);
  return { y: leave(weights, config, mixed.y, gate), state: reshape(mixed.state, state.shape) };
}

const filters = (weights: MixerWeights, { hidden, convWidth }: ShortConvConfig): Tensor =>
  weights.tensor("short_conv.weight", [hidden, 1, convWidth]);

/** The convolution's input, and the gate applied to its result. */
function enter(weights: MixerWeights, { hidden }: ShortConvConfig, x: Tensor): { inputs: Tensor; gate: Tensor } {
  const [before, gate, value] = weights.projectParts(x, "short_in", [hidden, hidden, hidden]);
  return { inputs: times(before!, value!), gate: gate! };
}

const leave = (weights: MixerWeights, { hidden }: ShortConvConfig, mixed: Tensor, gate: Tensor): Tensor =>
  weights.project(times(gate, mixed), "short_out", hidden);
