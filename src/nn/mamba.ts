import {
  causalConv,
  causalConvWithState,
  concat,
  diagonalScan,
  gatedLinearAttention,
  plus,
  reshape,
  type Shape,
  silu,
  softplus,
  split,
  spread,
  sum,
  type Tensor,
  times,
  timesRows,
} from "../graph/index.ts";
import type { MixerWeights } from "./mixer-weights.ts";
import { plainRmsNorm } from "./norm.ts";

/** The sizes of a Mamba mixer (Gu & Dao 2023). */
export interface MambaConfig {
  /** The width of the mixer's input and result. */
  readonly hidden: number;
  /** The number of inner channels. */
  readonly inner: number;
  /** The size of each channel's state. */
  readonly stateSize: number;
  /** Rank of the projection that computes the steps. */
  readonly stepRank: number;
  /** The number of tokens that the convolution sees, including the current one. */
  readonly convWidth: number;
  /** Epsilon of Falcon-Mamba's norms of the step input, B and C; undefined without these norms. */
  readonly normEpsilon?: number | undefined;
}

/** The number of floats that a sequence keeps between tokens: the convolution's last inputs, and the state. */
export const mambaStateSize = (config: MambaConfig): number => convPart(config) + config.inner * config.stateSize;

const convPart = ({ inner, convWidth }: MambaConfig): number => (convWidth - 1) * inner;

/**
 * A mixer over whole sequences, for training: x [batch, tokens, hidden] → the same shape; batch and tokens must not be
 * symbolic. It keeps all states of a batch in memory, so it suits only small models.
 */
export function mamba(weights: MixerWeights, config: MambaConfig, x: Tensor): Tensor {
  const block = new Block(weights, config);
  const { mixed, gate } = block.enter(x);
  const scan = block.scanned(silu(causalConv(mixed, block.convWeight, block.convBias)));
  return block.leave(scanned(scan, config), scan.x, gate);
}

/** The scan in ordinary operators: y [batch, tokens, inner]. */
function scanned({ v, decay, b, c }: ScanInputs, { inner, stateSize }: MambaConfig): Tensor {
  const rows = v.shape.slice(0, 2);
  const each: Shape = [...rows, inner, stateSize];
  const flat = (x: Tensor) => reshape(x, [...rows, inner * stateSize]);
  const written = times(spread(v, 3, stateSize), spread(b, 2, inner));
  const states = reshape(diagonalScan(flat(written), decay), each);
  return sum(times(states, spread(c, 2, inner)), 3);
}

/**
 * Like `mamba`, on any number of new tokens: `state` [batch, mambaStateSize] is the state after the earlier tokens,
 * zeros before the first. Returns y [batch, tokens, hidden] and the new state.
 */
export function mambaStep(
  weights: MixerWeights,
  config: MambaConfig,
  x: Tensor,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const block = new Block(weights, config);
  const { mixed, gate } = block.enter(x);
  const parts = block.unpack(state);
  const conv = causalConvWithState(mixed, block.convWeight, block.convBias, parts.conv);
  const scan = block.scanned(silu(conv.y));
  const { b, c, v, decay } = scan;
  // Each channel is a head with values of size 1; all share B and C.
  const next = gatedLinearAttention({ q: c, k: b, v, state: parts.scan, decay }, { heads: config.inner, groups: 1 });
  return { y: block.leave(next.y, scan.x, gate), state: block.pack(conv.state, next.state) };
}

/** A scan's inputs, [batch, tokens, …] each. */
interface ScanInputs {
  /** [.., inner]: the channels after the convolution. */
  readonly x: Tensor;
  /** [.., inner]: x times its steps. */
  readonly v: Tensor;
  /** [.., inner · stateSize]: the logarithm of the share of the old state that is kept. */
  readonly decay: Tensor;
  /** [.., stateSize]: the direction written in the state. */
  readonly b: Tensor;
  /** [.., stateSize]: the direction read from the state. */
  readonly c: Tensor;
}

/** The part that training and inference share: everything except the convolution and the scan. */
class Block {
  constructor(
    private readonly weights: MixerWeights,
    private readonly config: MambaConfig,
  ) {}

  get convWeight(): Tensor {
    return this.weights.tensor("conv1d.weight", [this.config.inner, 1, this.config.convWidth]);
  }

  get convBias(): Tensor {
    return this.weights.tensor("conv1d.bias", [this.config.inner]);
  }

  /** The convolution's input and the gate, [.., inner] each. */
  enter(x: Tensor): { readonly mixed: Tensor; readonly gate: Tensor } {
    const { inner } = this.config;
    const [mixed, gate] = this.weights.projectParts(x, "in_proj", [inner, inner]);
    return { mixed: mixed!, gate: gate! };
  }

  scanned(x: Tensor): ScanInputs {
    const { inner, stateSize, stepRank, normEpsilon } = this.config;
    const packed = this.weights.project(x, "x_proj", stepRank + 2 * stateSize);
    const norm = (part: Tensor) => (normEpsilon === undefined ? part : plainRmsNorm(part, normEpsilon));
    const parts = split(packed, 2, [stepRank, stateSize, stateSize]).map(norm);
    const [low, b, c] = parts as [Tensor, Tensor, Tensor];
    const steps = softplus(this.weights.project(low, "dt_proj", inner, true));
    const decay = timesRows(this.weights.rates([inner, stateSize]), steps);
    const flat = reshape(decay, [...x.shape.slice(0, 2), inner * stateSize]);
    return { x, v: times(steps, x), decay: flat, b, c };
  }

  /** Applies the skip, the gate and the projection to the scan's result. */
  leave(y: Tensor, x: Tensor, gate: Tensor): Tensor {
    const skipped = plus(y, times(x, this.weights.tensor("D", [this.config.inner])));
    return this.weights.project(times(skipped, silu(gate)), "out_proj", this.config.hidden);
  }

  unpack(state: Tensor): { readonly conv: Tensor; readonly scan: Tensor } {
    const { inner, stateSize, convWidth } = this.config;
    const [batch] = state.shape as [Shape[0]];
    const [conv, scan] = split(state, 1, [convPart(this.config), inner * stateSize]);
    return {
      conv: reshape(conv!, [batch!, convWidth - 1, inner]),
      scan: reshape(scan!, [batch!, inner, stateSize, 1]),
    };
  }

  pack(conv: Tensor, scan: Tensor): Tensor {
    const { inner, stateSize } = this.config;
    const [batch] = conv.shape as [Shape[0]];
    return concat([reshape(conv, [batch!, convPart(this.config)]), reshape(scan, [batch!, inner * stateSize])], 1);
  }
}
