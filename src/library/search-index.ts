import { z } from "zod";
import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { amountsOf } from "../ledger/together.ts";
import { WallTime } from "../ledger/wall-time.ts";
import { type AdditionCounts, addAll } from "../retrieval/add.ts";
import { type Document, type DocumentInput, documentSchema } from "../retrieval/document.ts";
import { normalised } from "../retrieval/prepare.ts";
import { documentsIn, sourceOf } from "../retrieval/read/index.ts";
import { nearestTo, type Ranker, rankers, type SearchResult, search } from "../retrieval/search.ts";
import { checkEmbedding, type IndexSettings } from "../retrieval/settings.ts";
import type { Counts, ListedDocument, Store } from "../retrieval/store/store.ts";
import { UserError } from "../util/errors.ts";
import { checkArgument, stoppable, text, texts } from "./arguments.ts";
import type { EmbeddingModel } from "./open-index.ts";
import type { ReadOptions, Stoppable } from "./options.ts";

export interface SearchOptions extends ReadOptions {
  /** Default: `hybrid` in an index with vectors, else `bm25`. */
  by?: Ranker | undefined;
  /** The number of documents to return; default 10. */
  top?: number | undefined;
}

export interface AddOptions extends Stoppable {
  /** Called after each stored batch of documents, with its changes. */
  onBatch?: ((changes: AdditionCounts) => void) | undefined;
}

export const searchOptions = z.strictObject({
  by: z.enum(rankers).optional().describe("bm25, dense or hybrid (default: hybrid, or bm25 without vectors)"),
  top: z.int().min(1).max(1000).default(10).describe("documents to return"),
});

const PAGE = 1000;

/** Documents that are searched by terms and by vectors. Dispose of it (`await using`, or `index.close()`) to free its memory. */
export class SearchIndex implements AsyncDisposable {
  #model: Promise<EmbeddingModel> | undefined;

  constructor(
    readonly name: string,
    private readonly store: Store,
    /** Opens the index's embedding model on first use. */
    private readonly openModel: (name: string, signal: AbortSignal | undefined) => Promise<EmbeddingModel>,
  ) {}

  get settings(): IndexSettings {
    return this.store.settings;
  }

  /** The numbers of documents, chunks, and terms in chunks. */
  counts(): Promise<Counts> {
    return this.store.counts();
  }

  /** True if a document has categories. */
  hasCategories(): Promise<boolean> {
    return this.store.hasCategories();
  }

  /** The mean number of indexed terms per chunk; 0 without chunks. */
  async meanTerms(): Promise<number> {
    const { chunks, terms } = await this.counts();
    return chunks === 0 ? 0 : terms / chunks;
  }

  /**
   * Adds documents, replacing documents with the same ids. Unchanged documents are not embedded again. Documents added
   * before a stop remain.
   * @throws UserError for a document without id or text, or a repeated id
   */
  async add(
    documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>,
    options: AddOptions = {},
  ): Promise<AdditionCounts & { receipt: Receipt }> {
    return this.#add(null, parsed(documents), options);
  }

  /**
   * Adds the documents of a text, Markdown, HTML or JSON lines file. If the file was added before, documents that it no
   * longer contains are removed.
   * @throws UserError
   */
  async addFile(file: string, options: AddOptions = {}): Promise<AdditionCounts & { receipt: Receipt }> {
    const path = checkArgument("addFile's file", text, file);
    return this.#add(sourceOf(path), documentsIn(path), options);
  }

  async #add(source: string | null, documents: AsyncIterable<Document>, options: AddOptions) {
    const { onBatch = () => {}, ...stopping } = options;
    const { signal, onStopped } = checkArgument("add's options", stoppable, stopping);
    const [time, parts]: [WallTime, Receipt[]] = [new WallTime(performance.now()), []];
    const receipt = () => searchReceipt({ parts, time, flops: 0, retrievals: 0 });
    try {
      const embed = this.settings.embedding ? this.#embedWith(parts, { ...(signal && { signal }) }) : undefined;
      const added = await addAll(this.store, source, until(signal, documents), embed, onBatch);
      return { ...added, receipt: receipt() };
    } catch (error) {
      if (parts.length > 0) onStopped?.(receipt());
      throw error;
    }
  }

  /** Removes documents by id; returns how many existed. */
  async remove(ids: readonly string[]): Promise<number> {
    return this.store.remove(checkArgument("remove's ids", texts, ids));
  }

  /** Removes the documents that came from a file; returns how many existed. */
  async removeFile(file: string): Promise<number> {
    return this.store.remove(await this.store.idsFrom(sourceOf(checkArgument("removeFile's file", text, file))));
  }

  /** All documents in the order of their ids, without their texts. */
  async *list(): AsyncGenerator<ListedDocument> {
    for (let after = ""; ; ) {
      const page = await this.store.list(after, PAGE);
      yield* page;
      if (page.length < PAGE) return;
      after = page.at(-1)!.id;
    }
  }

  /**
   * Finds the documents that fit a query best, each by its best chunk.
   * @throws UserError for an empty query, or if the index lacks vectors
   */
  async search(query: string, options: SearchOptions = {}): Promise<{ results: SearchResult[]; receipt: Receipt }> {
    const { by, top, ...terms } = options;
    const model = () => (this.settings.embedding ? this.#opened(terms.signal) : Promise.resolve(undefined));
    return this.searchWith(model, query, { by, top }, terms);
  }

  /** Like `search`, with an embedding model that is opened only if it is needed. */
  async searchWith(
    model: () => Promise<EmbeddingModel | undefined>,
    query: string,
    options: Pick<SearchOptions, "by" | "top">,
    terms: ReadOptions,
  ): Promise<{ results: SearchResult[]; receipt: Receipt }> {
    const words = checkArgument("search's query", text, query);
    const { by = this.usual, top } = checkArgument("search's options", searchOptions, options);
    // The time includes opening the embedding model.
    const [time, parts]: [WallTime, Receipt[]] = [new WallTime(terms.arrived ?? performance.now()), []];
    if (by !== "bm25" && !this.settings.embedding)
      throw new UserError(`the index ${this.name} has no vectors; search it with bm25`, 2);
    const open = by === "bm25" ? undefined : await model();
    terms.signal?.throwIfAborted();
    const { results, flops } = await search(this.store, words, by, top, open && this.#embed(open, parts, terms));
    return { results, receipt: searchReceipt({ parts, flops, retrievals: 1, time }) };
  }

  /**
   * A unit vector for each document of these ids: the direction of the mean of its chunks' vectors. Documents that are
   * missing or have no words are left out.
   * @throws UserError if the index has no vectors
   */
  async vectors(ids: readonly string[]): Promise<Map<string, Float32Array>> {
    this.#checkVectors();
    const vectors = await this.store.vectorsOf(checkArgument("vectors' ids", texts, ids));
    return new Map([...vectors].map(([id, chunks]) => [id, normalised(sumOfVectors(chunks))]));
  }

  /**
   * The documents closest to a given document by their vectors, without that document; empty if it is missing.
   * @throws UserError if the index has no vectors
   */
  async similar(
    id: string,
    options: Pick<SearchOptions, "top"> = {},
  ): Promise<{ results: SearchResult[]; receipt: Receipt }> {
    const { top } = checkArgument("similar's options", searchOptions, options);
    const time = new WallTime(undefined);
    const direction = (await this.vectors([id])).get(id);
    const nearest = direction ? await nearestTo(this.store, direction, top + 1) : { results: [], flops: 0 };
    return {
      results: nearest.results.filter((result) => result.id !== id).slice(0, top),
      receipt: searchReceipt({ parts: [], flops: nearest.flops, retrievals: 1, time }),
    };
  }

  #checkVectors(): void {
    if (!this.settings.embedding) throw new UserError(`the index ${this.name} has no vectors`, 2);
  }

  /** The default ranker. */
  get usual(): Ranker {
    return this.settings.embedding ? "hybrid" : "bm25";
  }

  #embedWith(parts: Receipt[], terms: ReadOptions) {
    return async (all: readonly string[]) => this.#embed(await this.#opened(terms.signal), parts, terms)(all);
  }

  #embed(model: EmbeddingModel, parts: Receipt[], terms: ReadOptions) {
    checkEmbedding(this.name, this.settings.embedding, model.identity);
    return async (all: readonly string[]) => {
      const { embeddings, receipt } = await model.embed(all, terms);
      parts.push(receipt);
      return embeddings;
    };
  }

  async #opened(signal: AbortSignal | undefined): Promise<EmbeddingModel> {
    this.#checkVectors();
    this.#model ??= this.openModel(this.settings.embedding!.name, signal);
    try {
      return await this.#model;
    } catch (error) {
      this.#model = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    (await this.#model)?.[Symbol.dispose]();
    this.#model = undefined;
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const sumOfVectors = (vectors: readonly Float32Array[]): Float32Array =>
  vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0));

/** Yields documents; if the signal is aborted, throws its reason before the next one. */
async function* until(signal: AbortSignal | undefined, documents: AsyncIterable<Document>): AsyncGenerator<Document> {
  for await (const document of documents) {
    signal?.throwIfAborted();
    yield document;
  }
}

async function* parsed(documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>): AsyncGenerator<Document> {
  let number = 0;
  for await (const document of documents) yield checkArgument(`add's document ${++number}`, documentSchema, document);
}

/** The model's name in a receipt of work that uses only terms. */
const BY_TERMS = "bm25";

interface Work {
  /** The receipts of embedding calls. */
  readonly parts: readonly Receipt[];
  /** FLOPs of scoring. */
  readonly flops: number;
  readonly retrievals: number;
  /** The time since the call's arrival. */
  readonly time: WallTime;
}

/** The receipt of a search or an addition: its embeddings and its scoring. */
function searchReceipt({ parts, flops, retrievals, time }: Work): Receipt {
  const embedding = amountsOf(parts);
  const { dense, spent, overhead } = embedding.flops;
  return makeReceipt({
    ...embedding,
    model: parts[0]?.model ?? BY_TERMS,
    recipe: [],
    flops: { dense: dense + flops, spent: spent + flops, overhead },
    work: { ...embedding.work, ...(retrievals > 0 && { retrievals: { dense: retrievals, run: retrievals } }) },
    ms: time.times(parts),
  });
}
