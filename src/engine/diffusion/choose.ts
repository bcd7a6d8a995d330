import { NotFinite } from "../not-finite.ts";

/** A token for a masked position, with its confidence. */
export interface Candidate {
  readonly place: number;
  readonly token: number;
  readonly confidence: number;
}

/** z_c + w·(z_c − z_u): moves logits away from those computed without the prompt. */
export function guided(conditional: Float32Array, unconditional: Float32Array, weight: number): Float32Array {
  return conditional.map((z, i) => z + weight * (z - unconditional[i]!));
}

/** Sets tokens' logits to −∞. */
export function forbid(logits: Float32Array, tokens: Iterable<number>): void {
  for (const token of tokens) logits[token] = Number.NEGATIVE_INFINITY;
}

/**
 * The token with the highest logit at temperature 0; else one drawn with Gumbel noise in float64, argmax of z − τ·ln(−ln
 * u), which is distributed as softmax(z/τ).
 */
export function drawToken(logits: Float32Array, temperature: number, random: () => number): number {
  let [best, most] = [-1, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i]!;
    if (Number.isNaN(z) || z === Number.POSITIVE_INFINITY)
      throw new NotFinite(`the model gave the logit ${z} for token ${i}, expected a finite number`);
    const noise = temperature === 0 || z === Number.NEGATIVE_INFINITY ? 0 : temperature * gumbel(random);
    if (z + noise > most) [best, most] = [i, z + noise];
  }
  if (best < 0) throw new NotFinite("the model gave no token a finite logit");
  return best;
}

function gumbel(random: () => number): number {
  let u = random();
  while (u === 0) u = random();
  return -Math.log(-Math.log(u));
}

/** A token's softmax probability from the original logits, without noise. */
export function probabilityOf(logits: Float32Array, token: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const z of logits) sum += Math.exp(z - top);
  return Math.exp(logits[token]! - top) / sum;
}

/** The `count` most confident candidates; ties go to the earlier one. */
export const mostConfident = (all: readonly Candidate[], count: number): Candidate[] =>
  all.toSorted((a, b) => b.confidence - a.confidence || a.place - b.place).slice(0, count);

/** The candidates at least as confident as `threshold`, and always the most confident one. */
export function confidentEnough(all: readonly Candidate[], threshold: number): Candidate[] {
  const enough = all.filter(({ confidence }) => confidence >= threshold);
  return enough.length > 0 ? enough : mostConfident(all, 1);
}
