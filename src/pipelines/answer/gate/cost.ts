import { mean } from "../../../util/mean.ts";

/** Mean cost of each part of an answer, all in one unit: FLOPs or milliseconds. */
export interface GateCosts {
  /** The gate, run on every question. */
  readonly gate: number;
  /** The plain answer: its prompt and its decoding. */
  readonly plain: number;
  /** The extra cost of retrieval: the search, and the passages in the prompt. */
  readonly extra: number;
  /** The work discarded if a question is looked up: the plain prompt whose logits a gate read. Default: 0. */
  readonly wasted?: number;
}

/** The expected cost of an answer if a share `rate` of the questions is looked up. */
export const gatedCost = ({ gate, plain, extra, wasted = 0 }: GateCosts, rate: number): number =>
  gate + rate * (extra + wasted) + plain;

/** The retrieval rate below which a gate pays, 1 − C_gate/C_extra if nothing is wasted; 0 or less if it never does. */
export const breakEven = ({ gate, extra, wasted = 0 }: GateCosts): number => (extra - gate) / (extra + wasted);

/** A question's measured cost with and without retrieval, both without the gate. */
export interface MeasuredCost {
  readonly plain: number;
  readonly retrieved: number;
}

/** The parts of measured costs; `gate` is the gate's own mean cost, `wasted` the mean cost of discarded work. */
export function costsOf(measured: readonly MeasuredCost[], gate: number, wasted = 0): GateCosts {
  const plain = mean(measured.map((one) => one.plain));
  return { gate, plain, extra: mean(measured.map((one) => one.retrieved)) - plain, wasted };
}
