import type { PoolClient } from "pg";
import { Postgres, type PostgresKind } from "../../util/database/postgres.ts";
import { UserError } from "../../util/errors.ts";
import { codeOf } from "../../util/system-errors.ts";
import { type RankedHits, rankByBm25 } from "../bm25.ts";
import type { PostingBlock } from "../postings.ts";
import { type IndexSettings, parseSettings } from "../settings.ts";
import type { Hit } from "../top.ts";
import { inSchema, postgresSchema, postgresTables, SCHEMA_PREFIX, schemaOf } from "./postgres-schema.ts";
import { PostgresWriter, vectorText } from "./postgres-writer.ts";
import {
  type Counts,
  type KeptDocument,
  type ListedDocument,
  type Passage,
  type PreparedDocument,
  type Store,
  StoreFault,
  vectorsByDocument,
} from "./store.ts";

const indexTables: PostgresKind = { noun: "index", fault: (sentence) => new StoreFault(sentence) };

const SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/**
 * Edges per vector in HNSW's lowest layer, by pgvector's default. A search compares about this many vectors per
 * candidate.
 */
const NEIGHBOURS = 32;
/** The number of candidates for an approximate search; pgvector allows at most 1,000. */
const candidatesFor = (top: number): number => Math.min(1000, Math.max(100, 2 * top));

type BlobRow = PostingBlock & { readonly term: string };

/** An index in a Postgres schema of its own. pgvector compares vectors exactly, unless the settings say otherwise. */
class PostgresStore implements Store {
  readonly #schema: string;

  constructor(
    readonly place: string,
    name: string,
    readonly settings: IndexSettings,
    private readonly postgres: Postgres,
  ) {
    this.#schema = schemaOf(name);
  }

  #sql(text: string): string {
    return inSchema(this.#schema, text);
  }

  #rows<R extends object>(text: string, ...values: readonly unknown[]): Promise<R[]> {
    return this.postgres.rows<R>(this.#sql(text), values);
  }

  async counts(): Promise<Counts> {
    const [counts] = await this.#rows<Counts>("SELECT documents, chunks, terms::float8 AS terms FROM @info");
    return counts!;
  }

  async hasCategories(): Promise<boolean> {
    return (await this.#rows("SELECT 1 FROM @documents WHERE categories <> '[]' LIMIT 1")).length > 0;
  }

  async kept(ids: readonly string[]): Promise<ReadonlyMap<string, KeptDocument>> {
    const sql = "SELECT id, hash, source FROM @documents WHERE id = ANY($1)";
    const rows = await this.#rows<KeptDocument & { id: string }>(sql, ids);
    return new Map(rows.map(({ id, ...document }) => [id, document]));
  }

  /** Runs `write` while no other process writes to the index. `next`: the number of the next chunk. */
  #write<T>(write: (client: PoolClient, next: number) => Promise<T>): Promise<T> {
    return this.postgres.transaction(async (client) => {
      const { rows } = await client.query<{ next_chunk: number }>(this.#sql("SELECT next_chunk FROM @info FOR UPDATE"));
      return write(client, rows[0]!.next_chunk);
    });
  }

  async put(documents: readonly PreparedDocument[]): Promise<void> {
    await this.#write(async (client, next) => {
      const writer = new PostgresWriter(client, this.#schema);
      await writer.remove(documents.map(({ id }) => id));
      await writer.add(documents, next);
    });
  }

  async move(ids: readonly string[], source: string | null): Promise<void> {
    await this.#rows("UPDATE @documents SET source = $1 WHERE id = ANY($2)", source, ids);
  }

  remove(ids: readonly string[]): Promise<number> {
    return this.#write((client) => new PostgresWriter(client, this.#schema).remove(ids));
  }

  async idsFrom(source: string): Promise<string[]> {
    const rows = await this.#rows<{ id: string }>("SELECT id FROM @documents WHERE source = $1", source);
    return rows.map(({ id }) => id);
  }

  list(after: string, limit: number): Promise<ListedDocument[]> {
    const sql = "SELECT id, title, source, chunks FROM @documents WHERE id > $1 ORDER BY id LIMIT $2";
    return this.#rows<ListedDocument>(sql, after, limit);
  }

  byTerms(query: ReadonlyMap<string, number>, top: number): Promise<RankedHits> {
    return this.postgres.transaction(async (client) => {
      const counts = await client.query<Counts>(this.#sql("SELECT chunks, terms::float8 AS terms FROM @info"));
      const sql = "SELECT term, block, data FROM @postings WHERE term = ANY($1)";
      const { rows } = await client.query<BlobRow>(this.#sql(sql), [[...query.keys()]]);
      // A fixed order of terms and blocks makes sums round the same way each time.
      const blocks = (word: string) => rows.filter(({ term }) => term === word).sort((a, b) => a.block - b.block);
      return rankByBm25(
        [...query].map(([term, count]) => ({ count, blocks: blocks(term) })),
        counts.rows[0]!,
        top,
      );
    }, SNAPSHOT);
  }

  async byVector(query: Float32Array, top: number) {
    const sql =
      "SELECT chunk, -(vector <#> $1::vector) AS score FROM @vectors ORDER BY vector <#> $1::vector, chunk LIMIT $2";
    const { chunks } = await this.counts();
    if (!this.settings.approximate)
      return { hits: await this.#rows<Hit>(sql, vectorText(query), top), compared: chunks };
    const candidates = candidatesFor(top);
    const { rows } = await this.postgres.transaction(async (client) => {
      await client.query(`SET LOCAL hnsw.ef_search = ${candidates}`);
      return client.query<Hit>(this.#sql(sql), [vectorText(query), top]);
    }, SNAPSHOT);
    return { hits: rows, compared: Math.min(chunks, candidates * NEIGHBOURS) };
  }

  async vectorsOf(ids: readonly string[]) {
    const rows = await this.#rows<{ document: string; vector: string }>(
      `SELECT document, vector::text AS vector FROM @chunks JOIN @vectors USING (chunk)
       WHERE document = ANY($1) ORDER BY chunk`,
      ids,
    );
    return vectorsByDocument(
      rows.map(({ document, vector }) => ({ document, vector: new Float32Array(JSON.parse(vector)) })),
    );
  }

  async documentsOf(chunks: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const sql = "SELECT chunk, document FROM @chunks WHERE chunk = ANY($1)";
    const rows = await this.#rows<{ chunk: number; document: string }>(sql, chunks);
    return new Map(rows.map(({ chunk, document }) => [chunk, document]));
  }

  async passages(chunks: readonly number[]): Promise<Passage[]> {
    type Found = Pick<Passage, "chunk" | "id" | "title" | "text"> & { categories: string; metadata: string };
    const rows = await this.#rows<Found>(
      "SELECT chunk, id, title, text, categories, metadata FROM @chunks JOIN @documents ON id = document WHERE chunk = ANY($1)",
      chunks,
    );
    const byChunk = new Map(rows.map((row) => [row.chunk, row]));
    return chunks.flatMap((chunk) => {
      const row = byChunk.get(chunk);
      return row ? { ...row, categories: JSON.parse(row.categories), metadata: JSON.parse(row.metadata) } : [];
    });
  }

  close(): Promise<void> {
    return this.postgres.close();
  }
}

/** Creates an index in a database. @throws UserError if the name is taken, or the database cannot store vectors */
export async function createPostgresStore(address: string, name: string, settings: IndexSettings): Promise<Store> {
  const postgres = await Postgres.at(address, indexTables);
  const { place } = postgres;
  try {
    await postgres.transaction(async (client) => {
      if (settings.embedding) await enableVectors(client, place);
      await client.query(postgresSchema(name));
      await client.query(postgresTables(name, settings));
      await client.query(`INSERT INTO ${schemaOf(name)}.info VALUES ($1, 0, 0, 0, 0)`, [JSON.stringify(settings)]);
    });
    return new PostgresStore(`${place}, ${name}`, name, settings, postgres);
  } catch (error) {
    await postgres.close();
    // Another process may have created the index first.
    if (/^(42P06|23505)$/.test(codeOf(error) ?? ""))
      throw new UserError(`there is an index ${name} at ${place} already`);
    throw error;
  }
}

/** @throws UserError if the database has no pgvector */
async function enableVectors(client: PoolClient, place: string): Promise<void> {
  const { rows } = await client.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'");
  if (rows.length > 0) return;
  try {
    await client.query("CREATE EXTENSION vector");
  } catch (error) {
    throw new UserError(
      `the database ${place} has no pgvector (${(error as Error).message}); install it, or create the index without vectors`,
    );
  }
}

/** Opens an index in a database. @throws UserError if it does not exist */
export async function openPostgresStore(address: string, name: string): Promise<Store> {
  const postgres = await Postgres.at(address, indexTables);
  try {
    if (!(await namesIn(postgres)).includes(name))
      throw new UserError(`there is no index ${name} at ${postgres.place}`);
    const [row] = await postgres.rows<{ settings: string }>(`SELECT settings FROM ${schemaOf(name)}.info`);
    return new PostgresStore(
      `${postgres.place}, ${name}`,
      name,
      parseSettings(row!.settings, `${name} at ${postgres.place}`),
      postgres,
    );
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

async function namesIn(postgres: Postgres): Promise<string[]> {
  const sql = "SELECT nspname AS name FROM pg_namespace WHERE starts_with(nspname, $1) ORDER BY 1";
  const rows = await postgres.rows<{ name: string }>(sql, [SCHEMA_PREFIX]);
  return rows.map(({ name }) => name.slice(SCHEMA_PREFIX.length));
}

async function once<T>(address: string, use: (postgres: Postgres) => Promise<T>): Promise<T> {
  const postgres = await Postgres.at(address, indexTables);
  try {
    return await use(postgres);
  } finally {
    await postgres.close();
  }
}

export const postgresIndexNames = (address: string): Promise<string[]> => once(address, namesIn);

/** @throws UserError if there is no such index */
export const deletePostgresStore = (address: string, name: string): Promise<void> =>
  once(address, async (postgres) => {
    if (!(await namesIn(postgres)).includes(name))
      throw new UserError(`there is no index ${name} at ${postgres.place}`);
    await postgres.rows(`DROP SCHEMA ${schemaOf(name)} CASCADE`);
  });
