/** Counts of exponents by their size: bin i holds −λ in [10^(first + i/2), 10^(first + (i + 1)/2)). */
export interface Histogram {
  readonly first: number;
  readonly counts: readonly number[];
  /** Non-negative exponents. */
  readonly notNegative: number;
}

/** Decades of −λ that bins cover; values outside count in the first or last. */
const [FIRST, LAST] = [-5, 2];

export function histogramOf(exponents: ArrayLike<number>): Histogram {
  const counts = new Array<number>(2 * (LAST - FIRST)).fill(0);
  let notNegative = 0;
  for (let i = 0; i < exponents.length; i++) {
    const exponent = exponents[i]!;
    if (!(exponent < 0)) notNegative++;
    else counts[Math.min(counts.length - 1, Math.max(0, Math.floor(2 * (Math.log10(-exponent) - FIRST))))]!++;
  }
  return { first: FIRST, counts, notNegative };
}

const BARS = " ▁▂▃▄▅▆▇█";

/** One character per bin. */
export function drawn({ counts }: Histogram): string {
  const most = Math.max(1, ...counts);
  return counts.map((count) => BARS[Math.ceil((8 * count) / most)]).join("");
}
