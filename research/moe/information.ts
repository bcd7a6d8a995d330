/** Entropy of a list of values, in bits. */
export function entropy(values: readonly (number | string)[]): number {
  const counts = new Map<number | string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.values()].reduce((sum, n) => sum - (n / values.length) * Math.log2(n / values.length), 0);
}

/** The mutual information, in bits, of two lists' values at the same positions. */
export const information = (a: readonly number[], b: readonly number[]): number =>
  entropy(a) + entropy(b) - entropy(a.map((value, i) => `${value} ${b[i]}`));
