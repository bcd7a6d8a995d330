import { WordVectors } from "../../weights/vectors/word-vectors.ts";

/** The vectors of the worked example, in the plane. */
const plane: Readonly<Record<string, readonly [x: number, y: number]>> = {
  goal: [1, 0],
  team: [0.6, 0.8],
  market: [0, 1],
  sports: [1, 0],
  finance: [0, 1],
  odd: [-1, 0],
};

/** Named `small`. */
export const smallVectors = (words: Readonly<Record<string, readonly number[]>> = plane): WordVectors => {
  const rows = Object.values(words);
  const matrix = { rows: rows.length, width: rows[0]!.length, values: Float32Array.from(rows.flat()) };
  return new WordVectors("small", "a".repeat(64), Object.keys(words), matrix);
};
