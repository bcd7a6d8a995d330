/**
 * Sums the log decays of a diagonal state from token to token, ΔA. The state's Jacobian by the one before is
 * diag(e^ΔA), so an element's Lyapunov exponent is the mean of its ΔA (arXiv 2406.00209, lemma). The sums are of
 * logarithms: a product of factors would underflow.
 */
export class DecaySums {
  /** For each element. */
  readonly sums: Float64Array;
  #tokens = 0;

  constructor(readonly width: number) {
    this.sums = new Float64Array(width);
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** `decays` [tokens, width]. */
  add(decays: Float32Array | Float64Array): void {
    const { width, sums } = this;
    for (let at = 0; at < decays.length; at += width) for (let i = 0; i < width; i++) sums[i]! += decays[at + i]!;
    this.#tokens += decays.length / width;
  }

  /** An exponent for each element, in nats per token. */
  get exponents(): Float64Array {
    return this.sums.map((sum) => sum / this.#tokens);
  }
}

/** Tokens after which an exponent has reduced a difference to 1/e; Infinity if it never does. */
export const memoryOf = (exponent: number): number => (exponent < 0 ? -1 / exponent : Number.POSITIVE_INFINITY);
