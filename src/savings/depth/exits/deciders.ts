import { type Graph, matmulTransposed, plus, rmsNorm, silu, type Tensor, times } from "../../../graph/index.ts";
import type { WeightsOf } from "./weights-of.ts";

/**
 * Classifiers of the stream that say if a token may leave. `linear` (CALM) and `ffn` are DYNAMAX's, one for each layer:
 * one number, the logit of "exit". `controller` is SEC's, one matrix for all layers: the logits of stop, exit and
 * continue.
 */
export const deciderKinds = ["linear", "ffn", "controller"] as const;
export type DeciderKind = (typeof deciderKinds)[number];

export interface DeciderSettings {
  readonly kind: DeciderKind;
  /** Inner width of `ffn`. */
  readonly width?: number | undefined;
}

/** Numbers that a decider finds for each token. */
export const foundBy = ({ kind }: DeciderSettings): number => (kind === "controller" ? 3 : 1);

/** A usual norm's constant; the stream is far larger. */
const EPSILON = 1e-5;

/** The output of a decider in a graph. */
export interface Decided {
  /** [..., n], raw logits. */
  readonly found: Tensor;
}

/**
 * The stream after `layer` layers, f32 [..., hidden] → what a decider finds. A projection behind the gated product and
 * before the one output of `ffn` would be a vector, and is left out.
 */
export function traceDecider(
  _: Graph,
  weightsOf: WeightsOf,
  { kind, width }: DeciderSettings,
  layer: number,
  stream: Tensor,
): Decided {
  const hidden = Number(stream.shape.at(-1));
  const weight = (part: string, ...shape: number[]) => weightsOf(`${kind}.${layer}.${part}`, shape);
  const scored = (x: Tensor, inputs: number) =>
    plus(matmulTransposed(x, weight("weight", 1, inputs)), weight("bias", 1));
  switch (kind) {
    case "linear":
      return { found: scored(stream, hidden) };
    case "ffn": {
      const normed = rmsNorm(stream, weight("norm", hidden), EPSILON);
      const part = (name: string) => matmulTransposed(normed, weight(name, width!, hidden));
      return { found: scored(times(silu(part("gate")), part("up")), width!) };
    }
    case "controller":
      return { found: matmulTransposed(stream, weightsOf("controller.weight", [3, hidden])) };
  }
}
