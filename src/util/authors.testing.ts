/** Inputs and results of papers' own code; `tools/reference/authors` writes the results. */
import { readFileSync } from "node:fs";

/** Numbers in [-1, 1) with 24 bits, as `numbers` of tools/reference/authors/common.py makes them. */
export function numbers(seed: number, count: number): Float32Array {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 23 - 1;
  });
}

/** The results of a paper's own code, with its repository and commit. */
export const authorsFixture = <T>(name: string, test: string): T & { repository: string; commit: string } =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}`, test), "utf8"));

/** The largest difference, relative for numbers above 1; Infinity if lengths differ or a value is NaN. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const apart = Array.from(a, (x, i) => Math.abs(x - b[i]!) / Math.max(1, Math.abs(b[i]!)));
  return apart.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(0, ...apart);
}
