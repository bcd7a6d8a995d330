/** Turns a text into ids of a vocabulary that begins with frequent tokens, as BPE's merges do. */
export interface RankedVocabulary {
  encode(text: string): readonly number[];
  /** Number of tokens. */
  readonly size: number;
}

/**
 * The information content of a question's rarest word, and the mean over its words, in nats: a proxy for its subject's
 * popularity. A token with id r has probability 1/((r + 1)·H) by Zipf's law; a word's content is its tokens' sum.
 */
export function rarityOf(question: string, vocabulary: RankedVocabulary): { most: number; mean: number } {
  const words = question.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return { most: 0, mean: 0 };
  const norm = Math.log(harmonic(vocabulary.size));
  const information = words.map((word) =>
    vocabulary.encode(` ${word}`).reduce((sum, id) => sum + Math.log(id + 1) + norm, 0),
  );
  return { most: Math.max(...information), mean: information.reduce((sum, nats) => sum + nats, 0) / words.length };
}

const EULER = 0.5772156649015329;

/** 1 + 1/2 + … + 1/n, with an error of at most 1/(12n²). */
const harmonic = (n: number): number => Math.log(n) + EULER + 1 / (2 * n);
