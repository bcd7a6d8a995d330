import {
  causalConv,
  causalConvWithState,
  concat,
  divide,
  exp,
  full,
  gatedDelta,
  minus,
  plus,
  reshape,
  rmsNorm,
  type Shape,
  scale,
  sigmoid,
  silu,
  softplus,
  split,
  spread,
  sqrt,
  sum,
  type Tensor,
  times,
} from "../graph/index.ts";
import type { MixerWeights } from "./mixer-weights.ts";

/** Sizes of a gated delta rule mixer (Yang et al. 2024). */
export interface GatedDeltaConfig {
  /** The width of the mixer's input and result. */
  readonly hidden: number;
  /** The number of heads of queries and keys; each serves an equal number of value heads. */
  readonly keyHeads: number;
  readonly heads: number;
  readonly keySize: number;
  readonly valueSize: number;
  /** The number of tokens that the convolution sees, including the current one. */
  readonly convWidth: number;
  readonly epsilon: number;
  /** True if queries, keys, values and gates come from one projection, ordered by key head. */
  readonly byHead: boolean;
  /** True if the write and decay inputs have separate projections; false if they share one, ordered by key head. */
  readonly apart: boolean;
  /** True if a key head serves value heads at regular intervals, not consecutive ones. */
  readonly tiled: boolean;
}

/** The epsilon added to the sum of squares in `overNorm`. */
const LEAST_SQUARE = 1e-6;

const partsOf = ({ keyHeads, heads, keySize, valueSize }: GatedDeltaConfig) => ({
  keys: keyHeads * keySize,
  values: heads * valueSize,
  channels: 2 * keyHeads * keySize + heads * valueSize,
});

/** The number of floats that a sequence keeps between tokens: the convolution's last inputs, and the state. */
export const gatedDeltaStateSize = (config: GatedDeltaConfig): number => stateParts(config).reduce((a, b) => a + b);

function stateParts(config: GatedDeltaConfig): [conv: number, scan: number] {
  const { convWidth, heads, keySize, valueSize } = config;
  return [(convWidth - 1) * partsOf(config).channels, heads * keySize * valueSize];
}

/**
 * A mixer over whole sequences, for training: x [batch, tokens, hidden] → the same shape; batch and tokens must not be
 * symbolic. It takes one sequential step per token.
 */
export function gatedDeltaRule(weights: MixerWeights, config: GatedDeltaConfig, x: Tensor): Tensor {
  const block = new Block(weights, config);
  const { mixed, ...rest } = block.enter(x);
  return block.leave(block.stepByStep(block.scanned(causalConv(mixed, block.filters), rest)), rest.gate);
}

/** Like `gatedDeltaRule`, for further tokens: `state` [batch, gatedDeltaStateSize], zeros before the first token. */
export function gatedDeltaStep(
  weights: MixerWeights,
  config: GatedDeltaConfig,
  x: Tensor,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const block = new Block(weights, config);
  const { mixed, ...rest } = block.enter(x);
  const { channels } = partsOf(config);
  const [batch] = state.shape as [Shape[0]];
  const parts = stateParts(config);
  const [before, scan] = split(state, 1, parts) as [Tensor, Tensor];
  const last = reshape(before, [batch!, config.convWidth - 1, channels]);
  const conv = causalConvWithState(mixed, block.filters, undefined, last);
  const { q, k, v, decay, beta } = block.scanned(conv.y, rest);
  const flat = (t: Tensor) => reshape(t, [...t.shape.slice(0, 2), Number(t.shape[2]) * Number(t.shape[3])]);
  const { heads, keySize, valueSize } = config;
  const groups = Number(q.shape[2]);
  const past = reshape(scan, [batch!, heads, keySize, valueSize]);
  const scanned = gatedDelta({ q: flat(q), k: flat(k), v: flat(v), state: past, decay, beta }, { heads, groups });
  const next = [conv.state, scanned.state].map((t, i) => reshape(t, [batch!, parts[i]!]));
  return { y: block.leave(reshape(scanned.y, v.shape), rest.gate), state: concat(next, 1) };
}

/** Projections other than the convolution's input, [batch, tokens, …] each. */
interface Beside {
  /** [.., values] */
  readonly gate: Tensor;
  /** [.., heads], before activation: the share of a value to write, and the share of the state to keep. */
  readonly write: Tensor;
  readonly keep: Tensor;
}

/**
 * The scan's inputs: queries and keys [.., groups, keySize], each for an equal number of consecutive value heads; values
 * [.., heads, valueSize]; decay and beta [.., heads].
 */
interface ScanInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly decay: Tensor;
  readonly beta: Tensor;
}

/** The part that training and inference share: everything except the convolution and the scan. */
class Block {
  constructor(
    private readonly weights: MixerWeights,
    private readonly config: GatedDeltaConfig,
  ) {}

  get filters(): Tensor {
    return this.weights.tensor("conv1d.weight", [partsOf(this.config).channels, 1, this.config.convWidth]);
  }

  enter(x: Tensor): Beside & { readonly mixed: Tensor } {
    const [write, keep] = this.#strengths(x) as [Tensor, Tensor];
    return { ...this.#mixed(x), write, keep };
  }

  #strengths(x: Tensor): Tensor[] {
    const { keyHeads, heads, apart } = this.config;
    if (apart) return ["delta_beta", "delta_alpha"].map((name) => this.weights.project(x, name, heads));
    const each = heads / keyHeads;
    return this.#byKeyHead(this.weights.project(x, "delta_ba", 2 * heads), [each, each]);
  }

  #mixed(x: Tensor): { readonly mixed: Tensor; readonly gate: Tensor } {
    const { keyHeads, heads, keySize, valueSize, byHead } = this.config;
    const { values, channels } = partsOf(this.config);
    if (!byHead)
      return {
        mixed: this.weights.project(x, "delta_qkv", channels),
        gate: this.weights.project(x, "delta_gate", values),
      };
    const own = (heads / keyHeads) * valueSize;
    const whole = this.weights.project(x, "delta_in", channels + values);
    const [q, k, v, gate] = this.#byKeyHead(whole, [keySize, keySize, own, own]) as [Tensor, Tensor, Tensor, Tensor];
    return { mixed: concat([q, k, v], 2), gate };
  }

  /** Splits each key head's outputs into parts of these sizes; each part joins all heads. */
  #byKeyHead(x: Tensor, sizes: readonly number[]): Tensor[] {
    const rows = x.shape.slice(0, 2);
    const { keyHeads } = this.config;
    const width = sizes.reduce((total, size) => total + size, 0);
    const apart = split(reshape(x, [...rows, keyHeads, width]), 3, [...sizes]);
    return apart.map((part, i) => reshape(part, [...rows, keyHeads * sizes[i]!]));
  }

  scanned(convolved: Tensor, { write, keep }: Beside): ScanInputs {
    const { keyHeads, heads, keySize, valueSize } = this.config;
    const { keys, values } = partsOf(this.config);
    const rows = convolved.shape.slice(0, 2);
    const [q, k, v] = split(silu(convolved), 2, [keys, keys, values]) as [Tensor, Tensor, Tensor];
    const unit = (t: Tensor) => this.#inRow(overNorm(reshape(t, [...rows, keyHeads, keySize])));
    const steps = softplus(plus(keep, this.weights.tensor("dt_bias", [heads])));
    return {
      q: scale(unit(q), keySize ** -0.5),
      k: unit(k),
      v: reshape(v, [...rows, heads, valueSize]),
      decay: times(steps, this.weights.rates([heads])),
      beta: sigmoid(write),
    };
  }

  /** The scan, built from ordinary operators: y [batch, tokens, heads, valueSize]. */
  stepByStep({ q, k, v, decay, beta }: ScanInputs): Tensor {
    const [batch, tokens, heads, size] = v.shape as [number, number, number, number];
    const { keySize } = this.config;
    const each = (t: Tensor, shape: readonly number[]) =>
      split(t, 1, new Array<number>(tokens).fill(1)).map((one) => reshape(one, [batch, ...shape]));
    const [queries, keys] = [q, k].map((t) => each(this.#forHeads(t), [heads, keySize])) as [Tensor[], Tensor[]];
    const [values, decays, strengths] = [each(v, [heads, size]), each(exp(decay), [heads]), each(beta, [heads])];
    const rows: Tensor[] = [];
    let state: Tensor | undefined;
    for (const [t, key] of keys.entries()) {
      const before = state && times(state, spread(spread(decays[t]!, 2, keySize), 3, size));
      const known = before && sum(times(before, spread(key, 3, size)), 2);
      const change = times(known ? minus(values[t]!, known) : values[t]!, spread(strengths[t]!, 2, size));
      const added = times(spread(key, 3, size), spread(change, 2, keySize));
      state = before ? plus(before, added) : added;
      rows.push(reshape(sum(times(state, spread(queries[t]!, 3, size)), 2), [batch, 1, heads, size]));
    }
    return rows.length > 1 ? concat(rows, 1) : rows[0]!;
  }

  /** Queries or keys, each repeated for the value heads it serves. */
  #inRow(x: Tensor): Tensor {
    const { keyHeads, heads, tiled } = this.config;
    return tiled && heads > keyHeads ? concat(new Array<Tensor>(heads / keyHeads).fill(x), 2) : x;
  }

  /** Queries or keys for each value head. */
  #forHeads(x: Tensor): Tensor {
    const { heads, keySize } = this.config;
    const keyHeads = Number(x.shape[2]);
    if (keyHeads === heads) return x;
    return reshape(spread(x, 3, heads / keyHeads), [...x.shape.slice(0, 2), heads, keySize]);
  }

  /** Applies each head's norm, the gate and the projection to the scan's result [batch, tokens, heads, valueSize]. */
  leave(y: Tensor, gate: Tensor): Tensor {
    const { hidden, valueSize, epsilon } = this.config;
    const normed = rmsNorm(y, this.weights.tensor("norm.weight", [valueSize]), epsilon);
    return this.weights.project(times(reshape(normed, gate.shape), silu(gate)), "out_proj", hidden);
  }
}

/** x divided by its norm on the last axis. */
function overNorm(x: Tensor): Tensor {
  const axis = x.shape.length - 1;
  const squares = sum(times(x, x), axis);
  return divide(x, spread(sqrt(plus(squares, full(squares, LEAST_SQUARE))), axis, x));
}
