import { fnv1a } from "../../../util/hash.ts";
import { seededRandom } from "../../../util/random.ts";
import { type Classifier, probabilityOf } from "./classifier.ts";
import { featuresOf, type GateInput } from "./features.ts";

/** Ways to decide whether a question needs retrieval. `random` is a control. */
export const gateMethods = [
  "classifier",
  "energy",
  "entropy",
  "margin",
  "self-reflection",
  "popularity",
  "random",
  "always",
  "never",
] as const;
export type GateMethod = (typeof gateMethods)[number];

/** The parts of `GateInput` that a method reads; the pipeline computes no others. */
export function readsOf(method: GateMethod): readonly (keyof GateInput)[] {
  switch (method) {
    case "classifier":
      return ["question", "signals", "rarity"];
    case "energy":
    case "entropy":
    case "margin":
      return ["signals"];
    case "self-reflection":
      return ["reflection"];
    case "popularity":
      return ["rarity"];
    case "random":
      return ["question"];
    case "always":
    case "never":
      return [];
  }
}

/** A method with its threshold and, for `classifier`, its weights. */
export interface Gate {
  readonly method: GateMethod;
  /** The minimum score at which the gate retrieves. */
  readonly threshold: number;
  readonly classifier?: Classifier | undefined;
}

export const ALWAYS: Gate = { method: "always", threshold: 1 };
export const NEVER: Gate = { method: "never", threshold: 1 };

/** A gate's verdict on a question. */
export interface Decision {
  readonly retrieve: boolean;
  readonly method: GateMethod;
  /** NaN if it could not be computed; the question is then looked up. */
  readonly score: number;
  readonly threshold: number;
}

/** Retrieves if the score reaches the threshold or is NaN: a missing signal costs a search, not an answer. */
export function decide(gate: Gate, input: GateInput): Decision {
  const score = gateScore(gate, input);
  const { method, threshold } = gate;
  return { retrieve: !(score < threshold), method, score, threshold };
}

/**
 * Higher scores favour retrieval with every method. `classifier`, `margin` (1 − margin), `self-reflection` and `random`
 * lie between 0 and 1: a threshold of 0 always retrieves, one above 1 never. `energy` is F = −log Σ exp(z); `entropy`
 * and `popularity` (the rarest word) are in nats. NaN if the method's input is missing.
 */
export function gateScore({ method, classifier }: Omit<Gate, "threshold">, input: GateInput): number {
  const { question, signals, rarity, reflection } = input;
  switch (method) {
    case "classifier":
      return classifier ? probabilityOf(classifier, featuresOf(input)) : Number.NaN;
    case "energy":
      return signals ? -signals.energy : Number.NaN;
    case "entropy":
      return signals?.entropy ?? Number.NaN;
    case "margin":
      return signals ? 1 - signals.margin : Number.NaN;
    case "self-reflection":
      return reflection ?? Number.NaN;
    case "popularity":
      return rarity?.most ?? Number.NaN;
    case "random":
      return seededRandom(fnv1a(Int32Array.from(question, (c) => c.codePointAt(0)!)))();
    case "always":
      return 1;
    case "never":
      return 0;
  }
}
