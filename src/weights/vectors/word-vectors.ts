import type { NpyMatrix } from "./npy.ts";

/** Words, numbers and single marks; `n't` and `'s` are separate, as in GloVe's training texts (Penn Treebank). */
const WORD =
  /[\p{L}\p{N}]+?(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b|\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu;

/** A vector for each word of a vocabulary. */
export class WordVectors {
  readonly #places: ReadonlyMap<string, number>;

  constructor(
    readonly name: string,
    /** A hash in hex that identifies the vectors. */
    readonly sha256: string,
    words: readonly string[],
    private readonly matrix: NpyMatrix,
  ) {
    this.#places = new Map(words.map((word, place) => [word, place]));
  }

  get width(): number {
    return this.matrix.width;
  }

  /** Indices of a text's words in the vocabulary, after lowercasing; unknown words are skipped. */
  places(text: string): number[] {
    const words = text.toLowerCase().match(WORD) ?? [];
    return words.flatMap((word) => this.#places.get(word.replace("’", "'")) ?? []);
  }

  /** A view of a word's vector [width], by index. */
  vector(place: number): Float32Array {
    const { values, width } = this.matrix;
    return values.subarray(place * width, (place + 1) * width);
  }
}
