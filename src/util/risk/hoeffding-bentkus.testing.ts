import { binomialCdf } from "./binomial.ts";
import { areUsable, type Losses } from "./losses.ts";

/**
 * The p-value of "the expected loss is above `risk`" for losses from 0 to 1, from their mean alone: the smaller of
 * Hoeffding's and Bentkus' p-values (Bates et al., arXiv 2101.02703). Betting needs fewer items when losses are small.
 */
export function hoeffdingBentkusPValue(losses: Losses<"binary" | "unit">, risk: number): number {
  if (!areUsable(losses, risk)) return 1;
  const n = losses.values.length;
  const sum = losses.values.reduce((total, loss) => total + loss, 0);
  const hoeffding = Math.exp(-n * divergence(Math.min(sum / n, risk), risk));
  // A sum of integer losses may be off by rounding.
  const bentkus = Math.E * binomialCdf(Math.ceil(sum - 1e-9), n, risk);
  return Math.min(1, hoeffding, bentkus);
}

/** The Kullback–Leibler divergence of two coins, in nats. */
function divergence(a: number, b: number): number {
  const part = (p: number, q: number) => (p === 0 ? 0 : p * Math.log(p / q));
  return part(a, b) + part(1 - a, 1 - b);
}
