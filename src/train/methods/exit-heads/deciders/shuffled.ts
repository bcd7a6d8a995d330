import { seededRandom, shuffle } from "../../../../util/random.ts";

/** Shuffles labels between positions `from`, inclusive, and `to`, exclusive: a control with nothing to learn. */
export function shuffledLabels(
  labels: Uint8Array,
  [from, to]: readonly [from: number, to: number],
  seed: number,
): Uint8Array {
  const mixed = labels.slice();
  shuffle(mixed.subarray(from, to), seededRandom(seed));
  return mixed;
}
