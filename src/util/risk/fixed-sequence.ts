/** A candidate with the p-value of "its risk is above the bound". */
export interface TestedCandidate<T> {
  readonly candidate: T;
  readonly p: number;
}

/**
 * Learn then Test by fixed-sequence testing (Angelopoulos et al., arXiv 2110.01052): tests candidates, the safest first,
 * in an order chosen without the tested items, and stops at the first failure. All candidates before it are certified
 * together, with probability `confidence`.
 */
export function certifiedOf<T>(
  candidates: readonly T[],
  pOf: (candidate: T) => number,
  confidence: number,
): TestedCandidate<T>[] {
  const certified: TestedCandidate<T>[] = [];
  for (const candidate of candidates) {
    const p = pOf(candidate);
    // NaN never certifies.
    if (!(p <= 1 - confidence)) break;
    certified.push({ candidate, p });
  }
  return certified;
}
