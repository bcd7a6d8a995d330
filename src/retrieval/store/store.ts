import { UserError } from "../../util/errors.ts";
import { termsOf } from "../analysis.ts";
import type { Corpus, RankedHits } from "../bm25.ts";
import type { Document } from "../document.ts";
import type { IndexSettings } from "../settings.ts";
import type { Hit } from "../top.ts";

/** An error of the index's storage, not of its data: a retry may succeed. */
export class StoreFault extends UserError {}

/** A part of a document, ready to be stored. */
export interface PreparedChunk {
  readonly text: string;
  readonly terms: readonly string[];
  /** A unit vector; undefined in an index without vectors. */
  readonly vector: Float32Array | undefined;
}

export interface PreparedDocument extends Document {
  readonly hash: string;
  /** The full path of the document's file. */
  readonly source: string | null;
  readonly chunks: readonly PreparedChunk[];
}

/** A stored document, without its text. */
export interface KeptDocument {
  readonly hash: string;
  readonly source: string | null;
}

export interface ListedDocument {
  readonly id: string;
  readonly title: string;
  readonly source: string | null;
  readonly chunks: number;
}

/** A chunk with its document. */
export interface Passage {
  readonly chunk: number;
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly categories: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Counts extends Corpus {
  readonly documents: number;
}

/** The data of one index. Several processes may read and write it; each call is one transaction. */
export interface Store {
  /** The index's name or path, for messages. */
  readonly place: string;
  readonly settings: IndexSettings;
  counts(): Promise<Counts>;
  /** True if at least one document has categories. */
  hasCategories(): Promise<boolean>;
  /** The documents with these ids that are in the index. */
  kept(ids: readonly string[]): Promise<ReadonlyMap<string, KeptDocument>>;
  /** Adds documents, replacing documents with the same ids; once this resolves, they survive a crash of the process. */
  put(documents: readonly PreparedDocument[]): Promise<void>;
  /** Records that these documents now come from `source`: a file, or null for none. */
  move(ids: readonly string[], source: string | null): Promise<void>;
  /** Returns the number of these documents that existed. */
  remove(ids: readonly string[]): Promise<number>;
  /** The ids of the documents that came from a file. */
  idsFrom(source: string): Promise<string[]>;
  /** Documents after a given id, ordered by id (as UTF-8 bytes). */
  list(after: string, limit: number): Promise<ListedDocument[]>;
  /** Ranks chunks with BM25; `query` holds the query's terms and their counts. */
  byTerms(query: ReadonlyMap<string, number>, top: number): Promise<RankedHits>;
  /** The chunks with the largest inner products; exactly, unless the index is approximate. */
  byVector(query: Float32Array, top: number): Promise<{ hits: readonly Hit[]; compared: number }>;
  /** The vectors of documents' chunks, in the order of the text; documents without vectors are left out. */
  vectorsOf(ids: readonly string[]): Promise<ReadonlyMap<string, readonly Float32Array[]>>;
  /** Each chunk's document id; chunks that are not in the index are left out. */
  documentsOf(chunks: readonly number[]): Promise<ReadonlyMap<number, string>>;
  /** Chunks in the order of `chunks`; removed ones are left out. */
  passages(chunks: readonly number[]): Promise<Passage[]>;
  close(): Promise<void>;
}

/** Groups the vectors of ordered rows by document. */
export function vectorsByDocument(
  rows: Iterable<{ readonly document: string; readonly vector: Float32Array }>,
): Map<string, Float32Array[]> {
  const byDocument = new Map<string, Float32Array[]>();
  for (const { document, vector } of rows) byDocument.set(document, [...(byDocument.get(document) ?? []), vector]);
  return byDocument;
}

/** The terms by which a chunk is found: the terms of its text and of its document's title. */
export const chunkTerms = (title: string, text: string): string[] => termsOf(`${title}\n${text}`);
