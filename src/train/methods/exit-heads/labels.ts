import { type Action, actions } from "../../../savings/depth/exits/decide.ts";

const at = (action: Action): number => actions.indexOf(action);

/** The rank stored for a token that is not among the model's likeliest. */
export const NO_PLACE = 255;

/** A head's guesses for a range of tokens. */
export interface Guesses {
  /** For each token, the rank (from 0) of the head's choice among the whole model's likeliest tokens, or `NO_PLACE`. */
  readonly places: Uint8Array;
  /** For each token, 1 if the head's choice is the text's next token, else 0. */
  readonly right: Uint8Array;
}

/**
 * For each token, the number (from 1) of the first exit that guesses it correctly; 0 if no exit does (SEC, b.3). The
 * last entry of `right` is for the whole model.
 */
export const firstRight = (right: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(right[0]!, (_, t) => 1 + right.findIndex((exit) => exit[t] === 1));

/**
 * SEC's labels for each exit and token, as indices into `actions`: stop if no exit guesses the token correctly; else
 * continue before the first correct exit, and exit from there on, even if a deeper exit is wrong again.
 */
export function controllerLabels(right: readonly Uint8Array[]): Uint8Array[] {
  const first = firstRight(right);
  const label = (exit: number, t: number): number => {
    if (first[t] === 0) return at("stop");
    return first[t]! <= exit + 1 ? at("exit") : at("continue");
  };
  return right.map((_, exit) => Uint8Array.from(first, (__, t) => label(exit, t)));
}

/** DYNAMAX's relaxed labels (b.5): 1 if the exit's choice is among the model's top `k` tokens; strict for k = 1. */
export const relaxedLabels = ({ places }: Pick<Guesses, "places">, k: number): Uint8Array =>
  Uint8Array.from(places, (place) => (place < k ? 1 : 0));

/** The exits' weights in DYNAMAX's loss: linear in the exit's number, with sum 1. */
export function exitWeights(exits: number, order: "earliest-heavy" | "latest-heavy"): number[] {
  const sum = (exits * (exits + 1)) / 2;
  return Array.from({ length: exits }, (_, i) => (order === "earliest-heavy" ? exits - i : i + 1) / sum);
}
