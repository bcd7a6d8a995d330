import type Libsql from "libsql";
import { guarded, openSqliteFile, type SqliteKind, together } from "../../util/database/sqlite.ts";
import { UserError } from "../../util/errors.ts";
import { countsOf } from "../analysis.ts";
import { type RankedHits, rankByBm25 } from "../bm25.ts";
import { PostingRemover, PostingWriter, without } from "../postings.ts";
import { type IndexSettings, parseSettings } from "../settings.ts";
import type { VectorTable } from "../vectors.ts";
import { APPLICATION_ID, sqliteSteps } from "./schema.ts";
import {
  type Counts,
  chunkTerms,
  type KeptDocument,
  type ListedDocument,
  type Passage,
  type PreparedDocument,
  type Store,
  StoreFault,
  vectorsByDocument,
} from "./store.ts";

const indexFile: SqliteKind = {
  ...{ noun: "index", article: "an index", applicationId: APPLICATION_ID, steps: sqliteSteps },
  fault: (sentence) => new StoreFault(sentence),
};

interface Info extends Counts {
  readonly next_chunk: number;
  readonly removals: number;
}

interface ChunkRow {
  readonly chunk: number;
  readonly document: string;
  readonly title: string;
  readonly text: string;
  readonly terms: number;
}

const bytes = (array: Float32Array | Uint8Array): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Imported on first use, so that a search by terms does not wait for ONNX Runtime. */
async function openTable(width: number): Promise<VectorTable> {
  const { VectorTable } = await import("../vectors.ts");
  return VectorTable.open(width);
}

/** A list of ids in SQL: `IN (SELECT value FROM json_each(?))`. */
const listed = (ids: readonly (string | number)[]): string => JSON.stringify(ids);
const AMONG = "IN (SELECT value FROM json_each(?))";

/** An index in one SQLite file. The first search by vector reads all vectors into memory. */
class SqliteStore implements Store {
  readonly #statements = new Map<string, Libsql.Statement<unknown[]>>();
  #turn: Promise<unknown> = Promise.resolve();
  #vectors: { readonly table: Promise<VectorTable>; readonly removals: number } | undefined;

  constructor(
    readonly place: string,
    readonly settings: IndexSettings,
    private readonly db: Libsql.Database,
  ) {}

  #prepared(sql: string): Libsql.Statement<unknown[]> {
    const known = this.#statements.get(sql) ?? this.db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #all<T>(sql: string, ...values: readonly unknown[]): T[] {
    return this.#prepared(sql).all(...values) as T[];
  }

  #run(sql: string, ...values: readonly unknown[]): void {
    this.#prepared(sql).run(...values);
  }

  #info(): Info {
    return this.#all<Info>("SELECT next_chunk, documents, chunks, terms, removals FROM info")[0]!;
  }

  /** Reads one consistent state of the file. */
  #read<T>(read: () => T): T {
    return guarded(this.place, indexFile, () => this.db.transaction(read)());
  }

  #write<T>(write: () => T): T {
    return guarded(this.place, indexFile, () => together(this.db, this.place, write));
  }

  async counts(): Promise<Counts> {
    const { documents, chunks, terms } = this.#read(() => this.#info());
    return { documents, chunks, terms };
  }

  async hasCategories(): Promise<boolean> {
    return this.#read(() => this.#all("SELECT 1 FROM documents WHERE categories <> '[]' LIMIT 1").length > 0);
  }

  async kept(ids: readonly string[]): Promise<ReadonlyMap<string, KeptDocument>> {
    const rows = this.#read(() =>
      this.#all<KeptDocument & { id: string }>(`SELECT id, hash, source FROM documents WHERE id ${AMONG}`, listed(ids)),
    );
    return new Map(rows.map(({ id, ...document }) => [id, document]));
  }

  async put(documents: readonly PreparedDocument[]): Promise<void> {
    this.#write(() => {
      this.#remove(documents.map(({ id }) => id));
      this.#add(documents);
    });
  }

  #add(documents: readonly PreparedDocument[]): void {
    const writer = new PostingWriter();
    let { next_chunk: next } = this.#info();
    let [chunks, terms] = [0, 0];
    for (const { chunks: all, ...document } of documents) {
      this.#addDocument(document, all.length);
      for (const chunk of all) {
        this.#run("INSERT INTO chunks VALUES (?, ?, ?, ?)", next, document.id, chunk.text, chunk.terms.length);
        if (chunk.vector) this.#run("INSERT INTO vectors VALUES (?, ?)", next, bytes(chunk.vector));
        writer.add(next++, countsOf(chunk.terms), chunk.terms.length);
        chunks++;
        terms += chunk.terms.length;
      }
    }
    // The cast is needed because `||` returns text, with the same bytes.
    const append =
      "INSERT INTO postings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET data = CAST(data || excluded.data AS BLOB)";
    for (const { term, block, data } of writer.blobs()) this.#run(append, term, block, bytes(data));
    const counts = "UPDATE info SET next_chunk = ?, documents = documents + ?, chunks = chunks + ?, terms = terms + ?";
    this.#run(counts, next, documents.length, chunks, terms);
  }

  #addDocument(document: Omit<PreparedDocument, "chunks">, chunks: number): void {
    const { id, title, categories, metadata, source, hash } = document;
    const [listed, object] = [JSON.stringify(categories), JSON.stringify(metadata)];
    this.#run("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)", id, title, listed, object, source, hash, chunks);
  }

  async move(ids: readonly string[], source: string | null): Promise<void> {
    this.#write(() => this.#run(`UPDATE documents SET source = ? WHERE id ${AMONG}`, source, listed(ids)));
  }

  async remove(ids: readonly string[]): Promise<number> {
    return this.#write(() => this.#remove(ids));
  }

  /** Returns the number of documents that existed. */
  #remove(ids: readonly string[]): number {
    const existing = this.#all<{ id: string }>(`SELECT id FROM documents WHERE id ${AMONG}`, listed(ids));
    if (existing.length === 0) return 0;
    const gone = listed(existing.map(({ id }) => id));
    const chunks = this.#all<ChunkRow>(
      `SELECT chunk, document, title, text, terms FROM chunks JOIN documents ON id = document WHERE document ${AMONG}`,
      gone,
    );
    this.#removePostings(chunks);
    this.#run(`DELETE FROM vectors WHERE chunk ${AMONG}`, listed(chunks.map(({ chunk }) => chunk)));
    this.#run(`DELETE FROM chunks WHERE document ${AMONG}`, gone);
    this.#run(`DELETE FROM documents WHERE id ${AMONG}`, gone);
    const terms = chunks.reduce((sum, chunk) => sum + chunk.terms, 0);
    const counts =
      "UPDATE info SET documents = documents - ?, chunks = chunks - ?, terms = terms - ?, removals = removals + 1";
    this.#run(counts, existing.length, chunks.length, terms);
    return existing.length;
  }

  #removePostings(chunks: readonly ChunkRow[]): void {
    const remover = new PostingRemover();
    for (const { chunk, title, text } of chunks) remover.add(chunk, chunkTerms(title, text));
    for (const { term, block, places } of remover.places()) {
      const [row] = this.#all<{ data: ArrayBuffer }>(
        "SELECT data FROM postings WHERE term = ? AND block = ?",
        term,
        block,
      );
      const remaining = row && without(new Uint8Array(row.data), places);
      if (remaining)
        this.#run("UPDATE postings SET data = ? WHERE term = ? AND block = ?", bytes(remaining), term, block);
      else this.#run("DELETE FROM postings WHERE term = ? AND block = ?", term, block);
    }
  }

  async idsFrom(source: string): Promise<string[]> {
    const rows = this.#read(() => this.#all<{ id: string }>("SELECT id FROM documents WHERE source = ?", source));
    return rows.map(({ id }) => id);
  }

  async list(after: string, limit: number): Promise<ListedDocument[]> {
    const sql = "SELECT id, title, source, chunks FROM documents WHERE id > ? ORDER BY id LIMIT ?";
    return this.#read(() => this.#all<ListedDocument>(sql, after, limit));
  }

  async byTerms(query: ReadonlyMap<string, number>, top: number): Promise<RankedHits> {
    return this.#read(() => {
      const terms = [...query].map(([term, count]) => ({ count, blocks: this.#blocks(term) }));
      return rankByBm25(terms, this.#info(), top);
    });
  }

  #blocks(term: string) {
    const rows = this.#all<{ block: number; data: ArrayBuffer }>(
      "SELECT block, data FROM postings WHERE term = ?",
      term,
    );
    return rows.map(({ block, data }) => ({ block, data: new Uint8Array(data) }));
  }

  /** One query runs at a time, so that no query reads a table that another query frees. */
  byVector(query: Float32Array, top: number) {
    const search = this.#turn.then(() => this.#byVector(query, top));
    this.#turn = search.catch(() => {});
    return search;
  }

  async #byVector(query: Float32Array, top: number) {
    const table = await this.#vectorTable(query.length);
    this.#read(() => this.#readVectors(table));
    return { hits: await table.nearest(query, top), compared: table.count };
  }

  /** The table of vectors in memory; a new, empty one if vectors have been removed from the index. */
  async #vectorTable(width: number): Promise<VectorTable> {
    const { removals } = this.#read(() => this.#info());
    if (this.#vectors?.removals !== removals) {
      this.#dropVectors();
      this.#vectors = { table: openTable(width), removals };
    }
    return this.#vectors!.table;
  }

  /** Reads the vectors that were added since the last query. */
  #readVectors(table: VectorTable): void {
    const rows = this.#prepared("SELECT chunk, vector FROM vectors WHERE chunk > ? ORDER BY chunk").iterate(table.last);
    for (const { chunk, vector } of rows as Iterable<{ chunk: number; vector: ArrayBuffer }>)
      table.add(chunk, new Float32Array(vector));
  }

  #dropVectors(): void {
    void this.#vectors?.table.then((table) => table[Symbol.dispose]());
    this.#vectors = undefined;
  }

  async vectorsOf(ids: readonly string[]) {
    const sql = `SELECT document, vector FROM chunks JOIN vectors USING (chunk) WHERE document ${AMONG} ORDER BY chunk`;
    const rows = this.#read(() => this.#all<{ document: string; vector: ArrayBuffer }>(sql, listed(ids)));
    return vectorsByDocument(rows.map(({ document, vector }) => ({ document, vector: new Float32Array(vector) })));
  }

  async documentsOf(chunks: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const sql = `SELECT chunk, document FROM chunks WHERE chunk ${AMONG}`;
    const rows = this.#read(() => this.#all<{ chunk: number; document: string }>(sql, listed(chunks)));
    return new Map(rows.map(({ chunk, document }) => [chunk, document]));
  }

  async passages(chunks: readonly number[]): Promise<Passage[]> {
    type Found = Pick<Passage, "chunk" | "id" | "title" | "text"> & { categories: string; metadata: string };
    const sql =
      "SELECT chunk, id, title, text, categories, metadata FROM chunks JOIN documents ON id = document WHERE chunk ";
    const rows = this.#read(() => this.#all<Found>(`${sql}${AMONG}`, listed(chunks)));
    const byChunk = new Map(rows.map((row) => [row.chunk, row]));
    return chunks.flatMap((chunk) => {
      const row = byChunk.get(chunk);
      return row ? { ...row, categories: JSON.parse(row.categories), metadata: JSON.parse(row.metadata) } : [];
    });
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#dropVectors();
    this.#statements.clear();
    this.db.close();
  }
}

/** Creates an index in a new SQLite file. @throws UserError if the file already holds an index */
export async function createSqliteStore(path: string, settings: IndexSettings): Promise<Store> {
  const db = await openSqliteFile(path, indexFile, "write");
  const created = guarded(path, indexFile, () =>
    together(db, path, () => {
      if (db.prepare("SELECT 1 FROM info").get() !== undefined) return false;
      db.prepare("INSERT INTO info VALUES (?, 0, 0, 0, 0, 0)").run(JSON.stringify(settings));
      return true;
    }),
  );
  if (created) return new SqliteStore(path, settings, db);
  db.close();
  throw new UserError(`there is an index at ${path} already`);
}

/** Opens the index in an SQLite file. @throws UserError if it is missing or damaged */
export async function openSqliteStore(path: string): Promise<Store> {
  const db = await openSqliteFile(path, indexFile, "read");
  const row = guarded(path, indexFile, () => db.prepare("SELECT settings FROM info").get()) as
    | { settings: string }
    | undefined;
  if (row) return new SqliteStore(path, parseSettings(row.settings, path), db);
  db.close();
  throw new UserError(`there is no index at ${path}: its creation was cut short; create it again`);
}
