import { join } from "node:path";
import { checkEmbedder, type IndexOptions, openClassifier, type Receipt, type SearchIndex, UserError } from "modicum";
import { Fetcher, type FetchOptions } from "./fetch/fetch.ts";
import { type ImportedSource, importSource } from "./import.ts";
import { indexPending, openPapersIndex } from "./index-papers.ts";
import { Later } from "./later.ts";
import { inOption } from "./options.ts";
import type { Paper, PaperFields } from "./paper.ts";
import type { Put } from "./store/papers.ts";
import { openStore, type Store } from "./store.ts";
import { classifyPending, TopicClassifier } from "./topics.ts";

export interface PapersOptions extends IndexOptions {
  /** Folder of the application's data; with a `store`, it stays empty. */
  folder: string;
  /** An embedding MODEL, default `minilm`; `none`: search uses only words, and there are no similar papers. */
  embedding?: string | undefined;
  /** Name of a search index whose documents' categories help find topics (QZero); default: none. */
  qzero?: string | undefined;
}

export interface ImportOptions extends FetchOptions {
  /** The year for a saved page's dates that lack one. */
  readonly year?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Imported {
  readonly sources: readonly ImportedSource[];
  /** The reason why search cannot find the new papers yet; undefined if it can. */
  readonly unindexed: string | undefined;
}

export interface SearchTerms {
  /** The maximum number of papers; default 10. */
  readonly top?: number;
  readonly signal?: AbortSignal;
}

export interface FoundPaper {
  readonly paper: Paper;
  readonly score: number;
}

export interface Found {
  readonly results: readonly FoundPaper[];
  readonly receipt: Receipt;
}

export interface FoundByQuery extends Found {
  /** The reason why search used only words; undefined if it also used vectors. */
  readonly missing: string | undefined;
}

/**
 * Opens the application with its data, and creates missing data. The embedding model is loaded on first use; an unknown
 * model name is refused immediately.
 * @throws UserError
 */
export async function openPapers(options: PapersOptions): Promise<Papers> {
  const { embedding } = options;
  if (embedding !== undefined && embedding !== "none") await inOption("--embedding", checkEmbedder(embedding));
  return new Papers(await openStore(options.store ?? join(options.folder, "papers.db")), options);
}

/** The application without its pages: papers, their readers, search, topics, mail. */
export class Papers implements AsyncDisposable {
  readonly embedding: string;
  readonly #indexes: { readonly whole: Later<SearchIndex>; readonly words: Later<SearchIndex> };
  readonly #classifier: Later<TopicClassifier>;

  constructor(
    readonly store: Store,
    { folder, store: address, embedding = "minilm", qzero, ...resolve }: PapersOptions,
  ) {
    this.embedding = embedding;
    const index = (model: string) =>
      new Later(() =>
        openPapersIndex(store, { ...resolve, embedding: model, store: address ?? join(folder, "indexes") }),
      );
    this.#indexes = { whole: index(embedding), words: index("none") };
    this.#classifier = new Later(
      async () => new TopicClassifier(await openClassifier(embedding, { ...resolve, index: qzero })),
    );
  }

  /** Imports files and addresses, one after the other, and indexes new papers. */
  async import(sources: readonly string[], { year, signal, ...options }: ImportOptions = {}): Promise<Imported> {
    await using fetcher = new Fetcher(options);
    const done: ImportedSource[] = [];
    for (const source of sources) done.push(await importSource(this.store, source, fetcher, { year }, signal));
    return { sources: done, unindexed: await this.#failureOf(this.work(signal)) };
  }

  /** The reason why `work` failed, if it did: papers are stored even if the embedding model is unavailable. */
  async #failureOf(work: Promise<void>): Promise<string | undefined> {
    try {
      await work;
      return undefined;
    } catch (error) {
      if (error instanceof UserError) return error.message;
      throw error;
    }
  }

  /** Adds papers, or merges their new fields into existing ones, and indexes them. */
  async add(papers: readonly PaperFields[], signal?: AbortSignal): Promise<Put[]> {
    const put = await this.store.papers.put(papers);
    await this.work(signal);
    return put;
  }

  /** Indexes and classifies waiting papers, and stores the receipts. Runs no generative model. */
  async work(signal?: AbortSignal): Promise<void> {
    await indexPending(this.store, await this.#opened(), signal);
    if (this.embedding === "none" || (await this.store.topics.labels()).length === 0) return;
    await classifyPending(this.store, await this.#classifier.get(), signal);
  }

  /** Replaces the user's topics, and reclassifies all papers. Without an embedding model, papers have no topics. */
  async setTopics(labels: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.store.topics.setLabels(labels);
    await this.work(signal);
  }

  /**
   * Finds papers by words and meaning, best first; only by words if the embedding model is unavailable.
   * @throws UserError for an empty query
   */
  async search(query: string, options: SearchTerms = {}): Promise<FoundByQuery> {
    if (query.trim() === "") throw new UserError("the query is empty, expected a text", 2);
    try {
      return { ...(await this.#searched(await this.#opened(), query, options)), missing: undefined };
    } catch (error) {
      if (!(error instanceof UserError) || this.embedding === "none") throw error;
      const words = await this.#indexes.words.get();
      await indexPending(this.store, words, options.signal);
      return { ...(await this.#searched(words, query, options)), missing: error.message };
    }
  }

  async #searched(index: SearchIndex, query: string, options: SearchTerms): Promise<Found> {
    const { results, receipt } = await index.search(query, options);
    return { results: await this.#papersOf(results), receipt };
  }

  /** The papers closest in meaning; empty without vectors. */
  async similar(id: string, top = 5): Promise<Found | undefined> {
    if (this.embedding === "none") return undefined;
    const { results, receipt } = await (await this.#opened()).similar(id, { top });
    return { results: await this.#papersOf(results), receipt };
  }

  /** Unit vectors by paper id, for papers that have a vector. @throws UserError without an embedding model */
  async vectorsOf(ids: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
    if (this.embedding === "none") throw new UserError("without an embedding model, papers have no vectors");
    return (await this.#opened()).vectors(ids);
  }

  async #papersOf(results: readonly { id: string; score: number }[]): Promise<FoundPaper[]> {
    const papers = new Map((await this.store.papers.many(results.map(({ id }) => id))).map((it) => [it.id, it]));
    return results.flatMap(({ id, score }) => {
      const paper = papers.get(id);
      return paper ? { paper, score } : [];
    });
  }

  #opened(): Promise<SearchIndex> {
    return this.embedding === "none" ? this.#indexes.words.get() : this.#indexes.whole.get();
  }

  async close(): Promise<void> {
    for (const each of [this.#indexes.whole, this.#indexes.words, this.#classifier])
      await (await each.opened)?.[Symbol.asyncDispose]();
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
