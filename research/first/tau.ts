/** Kendall's τ between two orders of the same things. */
export function tau<T>(a: readonly T[], b: readonly T[]): number {
  const place = new Map(b.map((it, i) => [it, i]));
  let sum = 0;
  for (let i = 0; i < a.length; i++)
    for (let j = i + 1; j < a.length; j++) sum += Math.sign(place.get(a[j]!)! - place.get(a[i]!)!);
  return sum / ((a.length * (a.length - 1)) / 2);
}
