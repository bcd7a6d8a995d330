/** The accepted chance of a threshold that does not hold, and the risk that it is to hold. */
export interface RiskTarget {
  /** Most risk: the mean of losses between 0 and 1. */
  readonly delta: number;
  /** Most chance that the risk is larger. */
  readonly epsilon: number;
}

/**
 * The p-value of "the risk is above delta", by the mean of `n` independent losses in [0, 1]: the smaller of Hoeffding's
 * and Bentkus' (Bates et al., arXiv 2101.02703; Learn then Test, arXiv 2110.01052).
 */
export function hoeffdingBentkus(mean: number, n: number, delta: number): number {
  const hoeffding = Math.exp(-n * divergence(Math.min(mean, delta), delta));
  const bentkus = Math.E * binomialBelow(Math.ceil(n * mean - 1e-9), n, delta);
  return Math.min(1, hoeffding, bentkus);
}

/** Relative entropy of two coins, in nats. */
function divergence(a: number, b: number): number {
  const part = (p: number, q: number) => (p === 0 ? 0 : p * Math.log(p / q));
  return part(a, b) + part(1 - a, 1 - b);
}

/** The chance of at most `k` heads in `n` throws of a coin with heads at `p`. */
function binomialBelow(k: number, n: number, p: number): number {
  if (k >= n || p === 0) return 1;
  if (p === 1) return 0;
  let term = n * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let i = 1; i <= k; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(p / (1 - p));
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}

/**
 * The last of a list of settings, from the strictest to the laxest, up to which each has a risk of at most delta: fixed
 * sequence testing, which stops at the first that is not proved. All proved ones hold together with chance 1 − epsilon.
 * Undefined if not even the first is proved. `lossesOf` gives the losses of independent trials under a setting.
 */
export function learnThenTest<T>(
  settings: readonly T[],
  lossesOf: (setting: T) => ArrayLike<number>,
  { delta, epsilon }: RiskTarget,
): T | undefined {
  let proved: T | undefined;
  for (const setting of settings) {
    const losses = Array.from(lossesOf(setting));
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    if (hoeffdingBentkus(mean, losses.length, delta) > epsilon) break;
    proved = setting;
  }
  return proved;
}
