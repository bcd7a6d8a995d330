import { UserError } from "../util/errors.ts";
import { countsOf, termsOf } from "./analysis.ts";
import { FLOPS_PER_POSTING } from "./bm25.ts";
import { fuse } from "./fusion.ts";
import { type Embed, normalised } from "./prepare.ts";
import type { Store } from "./store/store.ts";
import type { Hit } from "./top.ts";

export const rankers = ["bm25", "dense", "hybrid"] as const;
/** `bm25` ranks by terms, `dense` by vectors, and `hybrid` fuses both rankings. */
export type Ranker = (typeof rankers)[number];

export interface SearchResult {
  /** The fields of the document itself. */
  readonly id: string;
  readonly title: string;
  /** The document's best chunk. */
  readonly text: string;
  readonly score: number;
  readonly categories: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface SearchOutcome {
  /** Documents, the best first. */
  readonly results: SearchResult[];
  /** FLOPs spent on scoring, without the query's embedding. */
  readonly flops: number;
}

/** The number of documents that fusion takes from each ranking. */
const FUSED = 100;

interface ScoredHits {
  readonly hits: readonly Hit[];
  readonly flops: number;
}

/** A document, represented by its best chunk. */
interface DocumentHit extends Hit {
  readonly id: string;
}

/** Documents, the best first, and the FLOPs of scoring. */
interface Ranking {
  readonly best: readonly DocumentHit[];
  readonly flops: number;
}

/**
 * Finds the `top` documents for a query. A document ranks by its best chunk. `embed` is needed for `dense` and
 * `hybrid`.
 */
export async function search(
  store: Store,
  query: string,
  by: Ranker,
  top: number,
  embed: Embed | undefined,
): Promise<SearchOutcome> {
  if (query.trim() === "") throw new UserError("the query is empty; expected a text", 2);
  switch (by) {
    case "bm25":
      return withDocuments(store, await documents(store, top, byTerms(store, query)));
    case "dense":
      return withDocuments(store, await documents(store, top, await byVector(store, query, embed)));
    case "hybrid":
      return hybrid(store, query, top, embed);
  }
}

async function hybrid(store: Store, query: string, top: number, embed: Embed | undefined): Promise<SearchOutcome> {
  const depth = Math.max(top, FUSED);
  const ids = new Map<number, string>();
  const terms = await documents(store, depth, byTerms(store, query), ids);
  const vectors = await documents(store, depth, await byVector(store, query, embed), ids);
  const fused = fuse([terms.best, vectors.best], ({ id }) => id).slice(0, top);
  const best = fused.map(({ item, score }) => ({ ...item, score }));
  return withDocuments(store, { best, flops: terms.flops + vectors.flops });
}

type Scorer = (top: number) => Promise<ScoredHits>;

function byTerms(store: Store, query: string): Scorer {
  const terms = countsOf(termsOf(query));
  return async (top) => {
    const { hits, postings } = await store.byTerms(terms, top);
    return { hits, flops: FLOPS_PER_POSTING * postings };
  };
}

async function byVector(store: Store, query: string, embed: Embed | undefined): Promise<Scorer> {
  if (!embed) throw new UserError(`the index ${store.place} has no vectors; search it with bm25`, 2);
  const [vector] = await embed([query]);
  return along(store, normalised(vector!));
}

/** The `top` documents closest to a unit vector, each by its best chunk. */
export const nearestTo = (store: Store, direction: Float32Array, top: number): Promise<SearchOutcome> =>
  documents(store, top, along(store, direction)).then((ranking) => withDocuments(store, ranking));

const along =
  (store: Store, direction: Float32Array): Scorer =>
  async (top) => {
    const { hits, compared } = await store.byVector(direction, top);
    return { hits, flops: 2 * direction.length * compared };
  };

/** Ranks ever more chunks until they come from `top` documents. `ids`: each known chunk's document. */
async function documents(
  store: Store,
  top: number,
  scored: Scorer,
  ids: Map<number, string> = new Map(),
): Promise<Ranking> {
  let flops = 0;
  for (let depth = 2 * top; ; depth *= 4) {
    const { hits, flops: spent } = await scored(depth);
    flops += spent;
    const unknown = hits.map(({ chunk }) => chunk).filter((chunk) => !ids.has(chunk));
    for (const [chunk, id] of await store.documentsOf(unknown)) ids.set(chunk, id);
    const best = byDocument(hits, ids);
    if (best.length >= top || hits.length < depth) return { best: best.slice(0, top), flops };
  }
}

/** The best chunk of each document. */
function byDocument(hits: readonly Hit[], ids: ReadonlyMap<number, string>): DocumentHit[] {
  const best = new Map<string, DocumentHit>();
  for (const hit of hits) {
    const id = ids.get(hit.chunk);
    if (id !== undefined && !best.has(id)) best.set(id, { ...hit, id });
  }
  return [...best.values()];
}

/** Reads the passages of a ranking's documents. */
async function withDocuments(store: Store, { best, flops }: Ranking): Promise<SearchOutcome> {
  const passages = await store.passages(best.map(({ chunk }) => chunk));
  const scores = new Map(best.map(({ chunk, score }) => [chunk, score]));
  return { results: passages.map(({ chunk, ...passage }) => ({ ...passage, score: scores.get(chunk)! })), flops };
}
