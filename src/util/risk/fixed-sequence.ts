/** A candidate with the p-value of "its risk is above the bound". */
export interface Tested<T> {
  readonly candidate: T;
  readonly p: number;
}

/**
 * Learn then Test by fixed-sequence testing (Angelopoulos et al., arXiv 2110.01052): candidates are tested from the safest on, in an
 * order that the tested items did not choose, up to the first that is not certified. Those before it are certified, all together with
 * probability `confidence`.
 */
export function certifiedOf<T>(
  candidates: readonly T[],
  pOf: (candidate: T) => number,
  confidence: number,
): Tested<T>[] {
  const certified: Tested<T>[] = [];
  for (const candidate of candidates) {
    const p = pOf(candidate);
    // A NaN is no proof.
    if (!(p <= 1 - confidence)) break;
    certified.push({ candidate, p });
  }
  return certified;
}
