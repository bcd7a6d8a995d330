import {
  causalConv,
  causalConvWithState,
  concat,
  gatedLinearAttention,
  plus,
  reshape,
  rmsNorm,
  type Shape,
  scale,
  silu,
  softplus,
  split,
  spread,
  type Tensor,
  times,
  timesRows,
} from "../graph/index.ts";
import type { MixerWeights } from "./mixer-weights.ts";
import { chunkedScan, chunkOf } from "./ssd.ts";

/** Sizes of a Mamba-2 mixer (Dao & Gu 2024). */
export interface Mamba2Config {
  /** The width of the mixer's input. */
  readonly hidden: number;
  /** The width of the mixer's result: `hidden` in a model, a few numbers in a classifier. */
  readonly outputs: number;
  /** Inner width, a multiple of `headSize`. */
  readonly inner: number;
  readonly headSize: number;
  /** The number of groups of heads that share B and C. */
  readonly groups: number;
  /** The size of the state of each element of a head. */
  readonly stateSize: number;
  /** The number of tokens that the convolution sees, including the current one. */
  readonly convWidth: number;
  readonly epsilon: number;
  /** The place of the normalisation by groups: after (the default) or before the product with the gate. */
  readonly norm?: "behind" | "before" | "none";
  /** Factors for the parts of the input projection; 1 if absent. */
  readonly factors?: ProjectionFactors | undefined;
}

/** A factor for each part of the projection: the gate, x, B, C and the steps. */
export type ProjectionFactors = readonly [gate: number, x: number, b: number, c: number, steps: number];

/** A small mixer's sizes, with overrides. */
export const mamba2Config = (hidden: number, sizes: Partial<Mamba2Config> = {}): Mamba2Config => ({
  ...{ hidden, outputs: hidden, inner: hidden, headSize: 32, groups: 1, stateSize: 16, convWidth: 4, epsilon: 1e-5 },
  ...sizes,
});

/** The number of heads, and the number of the convolution's channels (x, B and C together). */
const partsOf = ({ inner, headSize, groups, stateSize }: Mamba2Config) => ({
  heads: inner / headSize,
  channels: inner + 2 * groups * stateSize,
});

/** A mixer's weights with Hugging Face's names and layout: matrices [outputs, inputs]. */
export function mamba2Weights(config: Mamba2Config) {
  const { hidden, inner, outputs, convWidth } = config;
  const { heads, channels } = partsOf(config);
  return {
    "in_proj.weight": [inner + channels + heads, hidden],
    "conv1d.weight": [channels, 1, convWidth],
    "conv1d.bias": [channels],
    dt_bias: [heads],
    A_log: [heads],
    D: [heads],
    "norm.weight": [inner],
    "out_proj.weight": [outputs, inner],
  } as const satisfies Readonly<Record<string, readonly number[]>>;
}

/** The number of floats that a sequence keeps between tokens: the convolution's last inputs, and the state. */
export const mamba2StateSize = (config: Mamba2Config): number => sum(stateParts(config));

function stateParts(config: Mamba2Config): [conv: number, scan: number] {
  return [(config.convWidth - 1) * partsOf(config).channels, config.inner * config.stateSize];
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

/**
 * A mixer over whole sequences, for training: x [batch, tokens, hidden] → [batch, tokens, outputs]. `tokens` is a
 * number; the scan runs in chunks whose length divides it.
 */
export function mamba2(weights: MixerWeights, config: Mamba2Config, x: Tensor): Tensor {
  const block = new Block(weights, config);
  const { gate, mixed, steps } = block.enter(x);
  const scanned = block.scanned(
    silu(causalConv(mixed, block.weight("conv1d.weight"), block.weight("conv1d.bias"))),
    steps,
  );
  const y = chunkedScan(scanned, chunkOf(Number(x.shape[1])));
  return block.leave(y, scanned.x, gate);
}

/**
 * Like `mamba2`, on any number of new tokens: `state` [batch, mamba2StateSize] is the state after the earlier tokens,
 * zeros before the first token. Returns y [batch, tokens, outputs] and the new state.
 */
export function mamba2Step(
  weights: MixerWeights,
  config: Mamba2Config,
  x: Tensor,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const block = new Block(weights, config);
  const { gate, mixed, steps } = block.enter(x);
  const parts = block.unpack(state);
  const [weight, bias] = [block.weight("conv1d.weight"), block.weight("conv1d.bias")];
  const conv = causalConvWithState(mixed, weight, bias, parts.conv);
  const { v, decay, b, c, x: inputs } = block.scanned(silu(conv.y), steps);
  const flat = (t: Tensor) => reshape(t, [...t.shape.slice(0, 2), Number(t.shape[2]) * Number(t.shape[3])]);
  const heads = { heads: Number(v.shape[2]), groups: config.groups };
  const scan = gatedLinearAttention({ q: flat(c), k: flat(b), v: flat(v), state: parts.scan, decay }, heads);
  return {
    y: block.leave(reshape(scan.y, v.shape), inputs, gate),
    state: block.pack(conv.state, scan.state),
  };
}

/** The part that training and inference share: everything except the convolution and the scan. */
class Block {
  readonly #shapes: ReturnType<typeof mamba2Weights>;

  constructor(
    private readonly weights: MixerWeights,
    private readonly config: Mamba2Config,
  ) {
    this.#shapes = mamba2Weights(config);
  }

  weight(name: keyof ReturnType<typeof mamba2Weights>): Tensor {
    return this.weights.tensor(name, this.#shapes[name]);
  }

  /** The gate [.., inner], the convolution's input [.., channels], and the steps Δ [.., heads]. */
  enter(x: Tensor): { readonly gate: Tensor; readonly mixed: Tensor; readonly steps: Tensor } {
    const { heads, channels } = partsOf(this.config);
    const { inner } = this.config;
    const { factors } = this.config;
    const [gate, mixed, steps] = factors
      ? this.#scaledParts(x, factors)
      : this.weights.projectParts(x, "in_proj", [inner, channels, heads]);
    return { gate: gate!, mixed: mixed!, steps: softplus(plus(steps!, this.weight("dt_bias"))) };
  }

  /** Multiplies the projection's parts by their factors. */
  #scaledParts(x: Tensor, factors: ProjectionFactors): Tensor[] {
    const { inner, groups, stateSize } = this.config;
    const { heads } = partsOf(this.config);
    const shared = groups * stateSize;
    const parts = this.weights.projectParts(x, "in_proj", [inner, inner, shared, shared, heads]);
    const [gate, ...others] = parts.map((part, i) => scale(part, factors[i]!));
    return [gate!, concat(others.slice(0, 3), 2), others[3]!];
  }

  /** The scan's inputs: x, B and C after the convolution, x times its steps, and the steps' decays. */
  scanned(convolved: Tensor, steps: Tensor) {
    const { inner, headSize, groups, stateSize } = this.config;
    const { heads } = partsOf(this.config);
    const rows = convolved.shape.slice(0, 2);
    const shared = groups * stateSize;
    const [flat, written, read] = split(convolved, 2, [inner, shared, shared]) as [Tensor, Tensor, Tensor];
    const x = reshape(flat, [...rows, heads, headSize]);
    const byGroup = (t: Tensor) => reshape(t, [...rows, groups, stateSize]);
    const decay = times(steps, this.weights.rates([heads]));
    return { x, v: timesRows(x, steps), decay, b: byGroup(written), c: byGroup(read) };
  }

  /** Applies the skip, the gated norm and the projection to the scan's y; x and y: [batch, tokens, heads, headSize]. */
  leave(y: Tensor, x: Tensor, gate: Tensor): Tensor {
    const { headSize, outputs } = this.config;
    const skipped = plus(y, times(x, spread(this.weight("D"), 1, headSize)));
    return this.weights.project(this.#gated(reshape(skipped, gate.shape), silu(gate)), "out_proj", outputs);
  }

  #gated(y: Tensor, gate: Tensor): Tensor {
    const { norm = "behind" } = this.config;
    switch (norm) {
      case "behind":
        return this.#normalised(times(y, gate));
      case "before":
        return times(this.#normalised(y), gate);
      case "none":
        return times(y, gate);
    }
  }

  /** Divides each group by its own root mean square. */
  #normalised(x: Tensor): Tensor {
    const { inner, groups, epsilon } = this.config;
    const gain = this.weight("norm.weight");
    if (groups === 1) return rmsNorm(x, gain, epsilon);
    const sizes = new Array<number>(groups).fill(inner / groups);
    const gains = split(gain, 0, sizes);
    return concat(
      split(x, 2, sizes).map((part, i) => rmsNorm(part, gains[i]!, epsilon)),
      2,
    );
  }

  unpack(state: Tensor): { readonly conv: Tensor; readonly scan: Tensor } {
    const { convWidth, headSize, stateSize } = this.config;
    const { heads, channels } = partsOf(this.config);
    const [batch] = state.shape as [Shape[0]];
    const [conv, scan] = split(state, 1, stateParts(this.config));
    return {
      conv: reshape(conv!, [batch!, convWidth - 1, channels]),
      scan: reshape(scan!, [batch!, heads, stateSize, headSize]),
    };
  }

  pack(conv: Tensor, scan: Tensor): Tensor {
    const [batch] = conv.shape as [Shape[0]];
    const parts = stateParts(this.config);
    return concat(
      [conv, scan].map((t, i) => reshape(t, [batch!, parts[i]!])),
      1,
    );
  }
}
