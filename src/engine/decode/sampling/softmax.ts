import { NotFinite } from "../../not-finite.ts";

/** Depth is a logit's distance below the highest, in steps of 1/64. */
export const STEP = 1 / 64;
/**
 * At this depth (50 in logits), a token has less than 2^-72 of the likeliest token's weight, which a draw of 53 bits
 * cannot reach.
 */
export const BOTTOM = 50 / STEP;
const table = Float64Array.from({ length: BOTTOM }, (_, i) => Math.exp(-(i + 0.5) * STEP));

/**
 * exp(−depth · STEP) for 0 ≤ depth < BOTTOM, with float32's accuracy (relative 1e-7): a table for the units' midpoints
 * and two terms of the series around them. Takes less than half of `Math.exp`'s time.
 */
export function decay(depth: number): number {
  const step = depth | 0;
  const d = depth - step - 0.5;
  return table[step]! * (1 - d * (STEP - d * ((STEP * STEP) / 2)));
}

/**
 * Index of the highest logit; ties go to the lowest index. Refuses logits that cannot be drawn from: NaN or +Infinity
 * anywhere, or nothing above −Infinity. Reads four at a time, because few are new maxima; `!(x <= max)` also catches
 * NaN.
 */
export function argmax(logits: Float32Array): number {
  const n = logits.length;
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < n; i += 4) {
    if (i + 4 <= n && logits[i]! <= max && logits[i + 1]! <= max && logits[i + 2]! <= max && logits[i + 3]! <= max)
      continue;
    for (let j = i; j < i + 4 && j < n; j++) {
      if (logits[j]! <= max) continue;
      [best, max] = [j, logits[j]!];
      if (!(max < Infinity))
        throw new NotFinite(`the model gave the logit ${max} for token ${j}, expected a finite number`);
    }
  }
  if (best < 0) throw new NotFinite("the model gave no token a logit above -Infinity, so there is none to choose");
  return best;
}

/** log Σ exp(logits); `max` is the highest logit. */
export function logSumExp(logits: Float32Array, max: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const depth = (max - logits[i]!) / STEP;
    if (depth < BOTTOM) sum += decay(depth);
  }
  return max + Math.log(sum);
}
