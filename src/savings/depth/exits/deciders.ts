import { type Graph, matmulTransposed, plus, rmsNorm, silu, type Tensor, times } from "../../../graph/index.ts";
import { type Mamba2Config, mamba2, mamba2Config, mamba2StateSize, mamba2Step } from "../../../nn/mamba2.ts";
import { tensorsOf } from "../../../nn/mixer-weights.ts";
import type { WeightsOf } from "./weights-of.ts";

/**
 * Classifiers of the residual stream that decide whether a token may exit. DYNAMAX has one per layer, which returns the
 * logit of "exit": `linear` (from CALM), `ffn`, or `mamba`, which remembers earlier tokens. SEC has one `controller`, a
 * matrix for all layers, which returns the logits of stop, exit and continue.
 */
export const deciderKinds = ["linear", "ffn", "mamba", "controller"] as const;
export type DeciderKind = (typeof deciderKinds)[number];

export interface DeciderSettings {
  readonly kind: DeciderKind;
  /** Inner width of `ffn` and `mamba`; for `mamba`, a multiple of 32. */
  readonly width?: number | undefined;
}

/** Elements per head of `mamba`. */
const HEAD = 32;

/** The usual inner width of a classifier: `ffn` and `mamba` cost less than a tenth of a layer. */
export function usualWidth(kind: DeciderKind, hidden: number): number | undefined {
  switch (kind) {
    case "ffn":
      return Math.ceil(hidden / 4);
    case "mamba":
      return HEAD * Math.max(1, Math.floor(hidden / 3 / HEAD));
    case "linear":
    case "controller":
      return undefined;
  }
}

/** The sizes of `mamba`'s mixer for a stream of width `hidden`. */
export const mixerOf = ({ width }: DeciderSettings, hidden: number): Mamba2Config =>
  mamba2Config(hidden, { inner: width!, headSize: HEAD, outputs: 1 });

/** The number of values that a decider keeps between tokens of a sequence. */
export const stateSizeOf = (settings: DeciderSettings): number =>
  settings.kind === "mamba" ? mamba2StateSize(mixerOf(settings, 1)) : 0;

/** The usual epsilon of a norm; the residual stream's values are far larger. */
const EPSILON = 1e-5;

/** The output of a decider in a graph. */
export interface DeciderOutput {
  /** [..., n], raw logits. */
  readonly found: Tensor;
  /** The state after the new tokens, if the decider has a state. */
  readonly state?: Tensor;
}

/**
 * The residual stream after `layer` layers, f32 [batch, tokens, hidden] → a decider's outputs. With `state` [batch,
 * size], a `mamba` continues a sequence; without it, a `mamba` reads whole sequences, whose length must be a fixed
 * number. `ffn` has one output, so a projection after its gated product would add only a vector, and is left out.
 */
export function traceDecider(
  _: Graph,
  weightsOf: WeightsOf,
  settings: DeciderSettings,
  layer: number,
  stream: Tensor,
  state?: Tensor,
): DeciderOutput {
  const { kind, width } = settings;
  const hidden = Number(stream.shape.at(-1));
  const weight = (part: string, ...shape: number[]) => weightsOf(`${kind}.${layer}.${part}`, shape);
  const scored = (x: Tensor, inputs: number) =>
    plus(matmulTransposed(x, weight("weight", 1, inputs)), weight("bias", 1));
  switch (kind) {
    case "linear":
      return { found: scored(stream, hidden) };
    case "ffn": {
      const normed = rmsNorm(stream, weight("enter", hidden), EPSILON);
      const part = (name: string) => matmulTransposed(normed, weight(name, width!, hidden));
      return { found: scored(times(silu(part("gate")), part("up")), width!) };
    }
    case "mamba": {
      const normed = rmsNorm(stream, weight("enter", hidden), EPSILON);
      const mixer = [tensorsOf((name, shape) => weight(name, ...shape)), mixerOf(settings, hidden)] as const;
      if (!state) return { found: plus(mamba2(...mixer, normed), weight("bias", 1)) };
      const step = mamba2Step(...mixer, normed, state);
      return { found: plus(step.y, weight("bias", 1)), state: step.state };
    }
    case "controller":
      return { found: matmulTransposed(stream, weightsOf("controller.weight", [3, hidden])) };
  }
}
