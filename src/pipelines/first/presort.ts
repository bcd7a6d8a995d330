import { countsOf, termsOf } from "../../retrieval/analysis.ts";
import { FLOPS_PER_POSTING, rankByBm25 } from "../../retrieval/bm25.ts";
import { PostingWriter } from "../../retrieval/postings.ts";

export interface PresortScores {
  /** A score for each text. */
  readonly scores: readonly number[];
  readonly flops: number;
}

/** Scores texts with BM25, as if they were the whole collection. Texts without the query's terms score 0. */
export function bm25(query: string, texts: readonly string[]): PresortScores {
  const terms = countsOf(termsOf(query));
  const writer = new PostingWriter();
  let length = 0;
  for (const [i, text] of texts.entries()) {
    const all = termsOf(text);
    length += all.length;
    writer.add(i, countsOf(all.filter((term) => terms.has(term))), all.length);
  }
  const blobs = [...writer.blobs()];
  const postingLists = [...terms].map(([term, count]) => ({
    count,
    blocks: blobs.filter((blob) => blob.term === term),
  }));
  const { hits, postings } = rankByBm25(postingLists, { chunks: texts.length, terms: length }, texts.length);
  const scores = texts.map(() => 0);
  for (const { chunk, score } of hits) scores[chunk] = score;
  return { scores, flops: FLOPS_PER_POSTING * postings };
}

/** Indices by score, the greatest first. Ties are sorted by text, so the list's order does not matter. */
export const orderBy = (scores: readonly number[], texts: readonly string[]): number[] =>
  [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || compared(texts[a]!, texts[b]!));

const compared = (a: string, b: string): number => Number(a > b) - Number(a < b);
