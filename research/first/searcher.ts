import { countsOf, termsOf } from "../../src/retrieval/analysis.ts";
import { rankByBm25 } from "../../src/retrieval/bm25.ts";
import { type PostingBlock, PostingWriter } from "../../src/retrieval/postings.ts";

/** Texts by BM25, the best first. */
export function searcher(texts: readonly string[]): (query: string, top: number) => string[] {
  const search = indexSearcher(texts);
  return (query, top) => search(query, top).map((i) => texts[i]!);
}

/** Texts by BM25, as indices, the best first. */
export function indexSearcher(texts: readonly string[]): (query: string, top: number) => number[] {
  const writer = new PostingWriter();
  let terms = 0;
  for (const [chunk, text] of texts.entries()) {
    const found = termsOf(text);
    writer.add(chunk, countsOf(found), found.length);
    terms += found.length;
  }
  const blobs = new Map<string, PostingBlock[]>();
  for (const blob of writer.blobs()) blobs.set(blob.term, [...(blobs.get(blob.term) ?? []), blob]);
  return (query, top) => {
    const queryTerms = [...countsOf(termsOf(query))].map(([term, count]) => ({ count, blocks: blobs.get(term) ?? [] }));
    return rankByBm25(queryTerms, { chunks: texts.length, terms }, top).hits.map(({ chunk }) => chunk);
  };
}
