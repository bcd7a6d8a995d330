import { z } from "zod";
import type { Receipt } from "../ledger/receipt.ts";
import { openEmbedder } from "../pipelines/classify/embedder.ts";
import { ANALYSIS } from "../retrieval/analysis.ts";
import { chunkOptions } from "../retrieval/chunk.ts";
import type { EmbeddingIdentity } from "../retrieval/settings.ts";
import { checkIndexName, createStore, deleteStore, indexNames, openStore } from "../retrieval/store/open.ts";
import { checkAddress } from "../util/database/postgres.ts";
import { UserError } from "../util/errors.ts";
import { indexesFolder, type ResolveOptions } from "../weights/sources/index.ts";
import { checkArgument, loadOptions } from "./arguments.ts";
import { Biller } from "./biller.ts";
import type { ReadOptions } from "./options.ts";
import { SearchIndex } from "./search-index.ts";

/** The location of the indexes, and the sources of embedding models. */
export interface IndexOptions extends ResolveOptions {
  /** `postgres://user@host/database`, or a folder; by default one in `MODICUM_HOME`. */
  store?: string | undefined;
}

export interface CreateIndexOptions extends IndexOptions {
  /** An embedding MODEL, default `minilm`; `none`: the index is searched by terms only. */
  embedding?: string | undefined;
  /** Maximum words of a chunk; default 150. */
  words?: number | undefined;
  /** Words at the end of a chunk that the next chunk repeats; default 25. */
  overlap?: number | undefined;
  /** If true, Postgres finds vectors with HNSW, which misses some; default false. */
  approximate?: boolean | undefined;
}

const NONE = "none";

const resolving = loadOptions.pick({
  offline: true,
  refresh: true,
  verify: true,
  signal: true,
  onProgress: true,
  onNotice: true,
  pace: true,
});
const indexOptions = resolving.extend({ store: z.string("expected an address").optional() });
export const createOptions = chunkOptions.extend({
  embedding: z
    .string("expected an embedding MODEL, or none")
    .min(1)
    .default("minilm")
    .describe("an embedding model; none: search by terms only"),
  approximate: z.boolean().default(false).describe("in Postgres: find vectors by HNSW, which misses some"),
});

function placeOf(store: string | undefined): string {
  if (store === undefined) return indexesFolder();
  checkAddress(store, "indexes are folders");
  return store;
}

/**
 * Creates an empty index under MODICUM_HOME, or in a Postgres database. The embedding model is downloaded if it is
 * missing.
 * @throws UserError if an index of that name exists
 */
export async function createIndex(name: string, options: CreateIndexOptions = {}): Promise<SearchIndex> {
  const { embedding: model, words, overlap, approximate: hnsw, ...rest } = options;
  const settings = checkArgument(
    "createIndex's options",
    createOptions,
    defined({ embedding: model, words, overlap, approximate: hnsw }),
  );
  const { store, ...resolve } = checkArgument("createIndex's options", indexOptions, rest);
  const place = placeOf(store);
  if ((await indexNames(place)).includes(checkIndexName(name)))
    throw new UserError(`there is an index ${name} already`);
  const { embedding, approximate, ...chunks } = settings;
  const identity = embedding === NONE ? null : await identityOf(embedding, resolve);
  const metadata = { analysis: ANALYSIS, embedding: identity, chunks, ...(approximate && { approximate }) };
  const created = await createStore(place, name, metadata);
  return new SearchIndex(name, created, opener(resolve));
}

/** The options that are set; the others take their defaults. */
const defined = (options: object) => Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined));

async function identityOf(name: string, options: ResolveOptions): Promise<EmbeddingIdentity> {
  using model = await openEmbeddingModel(name, options);
  return model.identity;
}

/** Opens an index by its name. @throws UserError if it is missing */
export async function openIndex(name: string, options: IndexOptions = {}): Promise<SearchIndex> {
  const { store, ...resolve } = checkArgument("openIndex's options", indexOptions, options);
  return new SearchIndex(name, await openStore(placeOf(store), name), opener(resolve));
}

const opener =
  (options: ResolveOptions) =>
  (name: string, signal: AbortSignal | undefined): Promise<EmbeddingModel> =>
    openEmbeddingModel(name, { ...options, ...(signal && { signal }) });

/** The names of the indexes. */
export async function listIndexes(options: Pick<IndexOptions, "store"> = {}): Promise<string[]> {
  return indexNames(placeOf(checkArgument("listIndexes' options", indexOptions, options).store));
}

/** Deletes an index with all its documents. @throws UserError if it is missing */
export async function deleteIndex(name: string, options: Pick<IndexOptions, "store"> = {}): Promise<void> {
  await deleteStore(placeOf(checkArgument("deleteIndex's options", indexOptions, options).store), name);
}

/** A model that turns texts into the vectors of an index. */
export interface EmbeddingModel extends Disposable {
  readonly identity: EmbeddingIdentity;
  embed(texts: readonly string[], terms: ReadOptions): Promise<{ embeddings: Float32Array[]; receipt: Receipt }>;
}

/** Opens an embedding model: a MODEL, only its first layers (`minilm@layers=2`), or `glove`. @throws UserError */
export async function openEmbeddingModel(name: string, options: ResolveOptions): Promise<EmbeddingModel> {
  const started = performance.now();
  const embedder = await openEmbedder(name, options);
  const biller = new Biller(name, performance.now() - started);
  return {
    identity: { ...embedder.identity, width: embedder.width },
    async embed(texts, { onStopped, ...terms }) {
      const answers = await embedder.embed(texts, {
        ...terms,
        onStopped: biller.receiptOnStop(onStopped, { recipe: [] }),
      });
      const { answers: embeddings, receipt } = biller.billed(answers);
      return { embeddings, receipt };
    },
    [Symbol.dispose]: () => embedder[Symbol.dispose](),
  };
}
