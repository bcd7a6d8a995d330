import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { cranfieldTexts } from "../../tools/reference/cranfield-terms.ts";
import { countsOf, termsOf } from "./analysis.ts";
import { idf, rankByBm25 } from "./bm25.ts";
import { BLOCK, type PostingBlock, PostingWriter } from "./postings.ts";

/** Ranks chunks with BM25, from postings as in a store. */
function ranker(chunks: readonly (readonly string[])[], first = 0) {
  const writer = new PostingWriter();
  for (const [i, terms] of chunks.entries()) writer.add(first + i, countsOf(terms), terms.length);
  const blobs = new Map<string, PostingBlock[]>();
  for (const { term, ...block } of writer.blobs()) blobs.set(term, [...(blobs.get(term) ?? []), block]);
  const terms = chunks.reduce((sum, { length }) => sum + length, 0);
  return (query: readonly string[], top: number) => {
    const queryTerms = [...countsOf(query)].map(([term, count]) => ({ count, blocks: blobs.get(term) ?? [] }));
    return rankByBm25(queryTerms, { chunks: chunks.length, terms }, top);
  };
}

const ranked = (chunks: readonly (readonly string[])[], query: readonly string[], top = 10, first = 0) =>
  ranker(chunks, first)(query, top);

/** The chunks' lengths are 4, 2 and 3, with a mean of 3. */
const three = [
  ["wing", "flow", "wing", "lift"],
  ["flow", "heat"],
  ["heat", "plate", "jet"],
];

test("scores of three chunks match those computed by hand", () => {
  const { hits, postings } = ranked(three, ["wing", "flow"]);
  // idf: wing ln(1 + 2.5 / 1.5), flow ln(1 + 1.5 / 2.5). The length factor, 1.2 (0.25 + 0.75 length / 3), is 1.5 and
  // 0.9.
  const first = (0.9808292530117262 * 2 * 2.2) / (2 + 1.5) + (0.4700036292457356 * 1 * 2.2) / (1 + 1.5);
  const second = (0.4700036292457356 * 2.2) / (1 + 0.9);
  expect(hits.map(({ chunk }) => chunk)).toEqual([0, 1]);
  expect(hits[0]!.score).toBeCloseTo(1.6466456832, 6);
  expect(hits[0]!.score).toBeCloseTo(first, 12);
  expect(hits[1]!.score).toBeCloseTo(0.5442147286, 6);
  expect(hits[1]!.score).toBeCloseTo(second, 12);
  expect(postings).toBe(3);
});

test("a term counts as often as the query has it, an unknown one not at all", () => {
  const [once] = ranked(three, ["jet"]).hits;
  const [twice] = ranked(three, ["jet", "jet", "engine"]).hits;
  expect(twice!.score).toBeCloseTo(2 * once!.score, 12);
  expect(ranked(three, ["engine"]).hits).toEqual([]);
  expect(ranked([], ["jet"]).hits).toEqual([]);
});

test("a term in every chunk still counts: its idf is never negative", () => {
  expect(idf(3, 3)).toBeGreaterThan(0);
  const everywhere = three.map((terms) => [...terms, "the"]);
  expect(ranked(everywhere, ["the"]).hits).toHaveLength(3);
});

test("equal scores keep the order of chunks, also across blocks, and only the best are returned", () => {
  const same = Array.from({ length: 7 }, () => ["jet"]);
  expect(ranked(same, ["jet"], 4, BLOCK - 3).hits.map(({ chunk }) => chunk - BLOCK)).toEqual([-3, -2, -1, 0]);
});

interface Peer {
  readonly documents: readonly (readonly string[])[];
  readonly queries: readonly {
    readonly terms: readonly string[];
    readonly order: readonly number[];
    readonly scores: readonly number[];
  }[];
}

test("scores and orders equal the Python package bm25s'", () => {
  const { documents, queries }: Peer = JSON.parse(
    readFileSync(new URL("fixtures/bm25s.json", import.meta.url), "utf8"),
  );
  for (const { terms, order, scores } of queries) {
    const { hits } = ranked(documents, terms, order.length);
    expect(hits.map(({ chunk }) => chunk)).toEqual(order);
    for (const [i, { score }] of hits.entries()) expect(Math.abs(score / scores[i]! - 1)).toBeLessThan(1e-6);
  }
});

const cranfield = fileURLToPath(new URL("../../../shared/data/cranfield", import.meta.url));

test.skipIf(!existsSync(cranfield))(
  "the ten best of Cranfield's 1,400 abstracts are bm25s's, for each of its 225 queries (skipped without the data)",
  () => {
    const peer: number[][] = JSON.parse(
      readFileSync(new URL("fixtures/cranfield-bm25s.json", import.meta.url), "utf8"),
    );
    const documents = cranfieldTexts(cranfield, "cran.all.1400").map(termsOf);
    const rank = ranker(documents);
    const queries = cranfieldTexts(cranfield, "cran.qry").map(termsOf);
    expect(queries.map((query) => rank(query, 10).hits.map(({ chunk }) => chunk))).toEqual(peer);
  },
);
