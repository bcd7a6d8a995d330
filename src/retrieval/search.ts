import { UserError } from "../util/errors.ts";
import { countsOf, termsOf } from "./analysis.ts";
import { FLOPS_PER_POSTING } from "./bm25.ts";
import { fuse } from "./fusion.ts";
import { type Embed, normalised } from "./prepare.ts";
import type { Passage, Store } from "./store/store.ts";
import type { Hit } from "./top.ts";

export const rankers = ["bm25", "dense", "hybrid"] as const;
/** `bm25`: by terms; `dense`: by vectors; `hybrid`: by both, fused. */
export type Ranker = (typeof rankers)[number];

export interface SearchResult {
  /** The document's. */
  readonly id: string;
  readonly title: string;
  /** The document's best chunk. */
  readonly text: string;
  readonly score: number;
  readonly categories: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Found {
  /** Documents, the best first. */
  readonly results: SearchResult[];
  /** FLOPs of scoring, without the query's embedding. */
  readonly flops: number;
}

/** Documents of each ranking that are fused. */
const FUSED = 100;

interface Scored {
  readonly hits: readonly Hit[];
  readonly flops: number;
}

/**
 * Finds the `top` documents for a query; a document counts by its best chunk. `embed` is needed for `dense` and
 * `hybrid`.
 */
export async function search(
  store: Store,
  query: string,
  by: Ranker,
  top: number,
  embed: Embed | undefined,
): Promise<Found> {
  if (query.trim() === "") throw new UserError("the query is empty, expected a text", 2);
  switch (by) {
    case "bm25":
      return documents(store, top, byTerms(store, query));
    case "dense":
      return documents(store, top, await byVector(store, query, embed));
    case "hybrid":
      return hybrid(store, query, top, embed);
  }
}

async function hybrid(store: Store, query: string, top: number, embed: Embed | undefined): Promise<Found> {
  const depth = Math.max(top, FUSED);
  const terms = await documents(store, depth, byTerms(store, query));
  const vectors = await documents(store, depth, await byVector(store, query, embed));
  const fused = fuse([terms.results, vectors.results], ({ id }) => id).slice(0, top);
  return { results: fused.map(({ item, score }) => ({ ...item, score })), flops: terms.flops + vectors.flops };
}

type Scorer = (top: number) => Promise<Scored>;

function byTerms(store: Store, query: string): Scorer {
  const terms = countsOf(termsOf(query));
  return async (top) => {
    const { hits, postings } = await store.byTerms(terms, top);
    return { hits, flops: FLOPS_PER_POSTING * postings };
  };
}

async function byVector(store: Store, query: string, embed: Embed | undefined): Promise<Scorer> {
  if (!embed) throw new UserError(`the index ${store.place} has no vectors; search it by bm25`, 2);
  const [vector] = await embed([query]);
  return along(store, normalised(vector!));
}

/** The `top` documents closest to a unit vector, each by its best chunk. */
export const nearestTo = (store: Store, direction: Float32Array, top: number): Promise<Found> =>
  documents(store, top, along(store, direction));

const along =
  (store: Store, direction: Float32Array): Scorer =>
  async (top) => {
    const { hits, compared } = await store.byVector(direction, top);
    return { hits, flops: 2 * direction.length * compared };
  };

/** Ranks ever more chunks until they are of `top` documents. */
async function documents(store: Store, top: number, scored: Scorer): Promise<Found> {
  let flops = 0;
  for (let depth = 2 * top; ; depth *= 4) {
    const { hits, flops: spent } = await scored(depth);
    flops += spent;
    const results = byDocument(hits, await store.passages(hits.map(({ chunk }) => chunk)));
    if (results.length >= top || hits.length < depth) return { results: results.slice(0, top), flops };
  }
}

/** The best chunk of each document. */
function byDocument(hits: readonly Hit[], passages: readonly Passage[]): SearchResult[] {
  const scores = new Map(hits.map(({ chunk, score }) => [chunk, score]));
  const best = new Map<string, SearchResult>();
  for (const { chunk, ...passage } of passages)
    if (!best.has(passage.id)) best.set(passage.id, { ...passage, score: scores.get(chunk)! });
  return [...best.values()];
}
