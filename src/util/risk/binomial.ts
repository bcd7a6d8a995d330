import { areUsable, type Losses } from "./losses.ts";

/** The p-value of "the expected loss is above `risk`" for losses of 0 or 1: the chance of so few losses at exactly `risk`. */
export function binomialPValue(losses: Losses<"binary">, risk: number): number {
  if (!areUsable(losses, risk)) return 1;
  const lost = losses.values.reduce((sum, loss) => sum + loss, 0);
  return binomialCdf(lost, losses.values.length, risk);
}

/** The chance of at most `k` successes in `n` trials, each with probability `p`, 0 < p < 1. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k >= n) return 1;
  let term = n * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let i = 1; i <= k; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(p / (1 - p));
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}
