import type { WordVectors } from "../../weights/vectors/word-vectors.ts";

const MOST_KEPT = 100_000;

/** Unit vectors of words and phrases. */
export class WordSpace {
  readonly #units = new Map<string, Float64Array | undefined>();

  constructor(private readonly vectors: WordVectors) {}

  get width(): number {
    return this.vectors.width;
  }

  /** The direction of the mean vector of a text's known words; undefined if no word is known. */
  unit(text: string): Float64Array | undefined {
    if (this.#units.has(text)) return this.#units.get(text);
    if (this.#units.size >= MOST_KEPT) this.#units.clear();
    const unit = direction(this.#sum(text));
    this.#units.set(text, unit);
    return unit;
  }

  /** The direction of the counted words' mean vector. */
  mean(counts: ReadonlyMap<string, number>): Float64Array | undefined {
    const total = new Float64Array(this.width);
    for (const [word, count] of counts) for (const [i, x] of this.#sum(word).entries()) total[i]! += count * x;
    return direction(total);
  }

  #sum(text: string): Float64Array {
    const sum = new Float64Array(this.width);
    for (const place of this.vectors.places(text))
      for (const [i, x] of this.vectors.vector(place).entries()) sum[i]! += x;
    return sum;
  }
}

/** The vector scaled to length 1; undefined for the zero vector. */
function direction(vector: Float64Array): Float64Array | undefined {
  const length = Math.hypot(...vector);
  return length === 0 ? undefined : vector.map((x) => x / length);
}
