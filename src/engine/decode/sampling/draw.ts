import type { Candidates } from "./candidates.ts";
import { BOTTOM, decay } from "./softmax.ts";

const CHUNK = 256;

function weightAt(c: Candidates, place: number): number {
  const depth = (c.max - c.logits[place]!) * c.scale;
  return depth < BOTTOM ? decay(depth) : 0;
}

/** Summed weight of the candidates at indices `from` to `to`. */
export function weightOf({ logits, max, scale }: Candidates, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) {
    const depth = (max - logits[i]!) * scale;
    if (depth < BOTTOM) sum += decay(depth);
  }
  return sum;
}

/**
 * Finds the weight that contains `at` if `weights` are laid end to end: its index, and the offset in it. If rounding
 * moves `at` past the end, returns the last weight above 0.
 */
function locate(weights: number[], at: number): [index: number, rest: number] {
  let rest = at;
  let index = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    index = i;
    if (rest < weights[i]!) break;
    rest -= weights[i]!;
  }
  return [index, rest];
}

/** The token at which the sum of weights, by ascending id, passes `u` times the total; `u` is in [0, 1). */
export function draw(c: Candidates, u: number): number {
  // Finds the chunk, then the token in it: one pass over all tokens, storing only one sum per chunk.
  const chunks: number[] = [];
  for (let i = 0; i < c.count; i += CHUNK) chunks.push(weightOf(c, i, Math.min(i + CHUNK, c.count)));
  const total = chunks.reduce((sum, weight) => sum + weight, 0);
  const [chunk, rest] = locate(chunks, u * total);
  const start = chunk * CHUNK;
  const length = Math.min(CHUNK, c.count - start);
  const weights = Array.from({ length }, (_, i) => weightAt(c, start + i));
  return c.ids[start + locate(weights, rest)[0]]!;
}
