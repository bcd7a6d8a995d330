import type { PoolClient } from "pg";
import { Postgres, type PostgresKind } from "../../util/database/postgres.ts";
import { UserError } from "../../util/errors.ts";
import { codeOf } from "../../util/system-errors.ts";
import { countsOf } from "../analysis.ts";
import { type Ranked, rankByBm25 } from "../bm25.ts";
import { type PostingBlock, PostingRemover, PostingWriter, without } from "../postings.ts";
import { type IndexSettings, parseSettings } from "../settings.ts";
import { postgresSchema, postgresTables, SCHEMA_PREFIX, schemaOf } from "./postgres-schema.ts";
import {
  type Counts,
  chunkTerms,
  type KeptDocument,
  type ListedDocument,
  type Passage,
  type PreparedDocument,
  type Store,
  StoreFault,
} from "./store.ts";

const indexTables: PostgresKind = { noun: "index", fault: (sentence) => new StoreFault(sentence) };

const SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/** pgvector's text form, which keeps every digit of a float32. */
const vectorText = (vector: Float32Array): string => `[${Array.from(vector, (x) => x.toPrecision(9)).join(",")}]`;

interface ChunkRow {
  readonly chunk: number;
  readonly title: string;
  readonly text: string;
  readonly terms: number;
}

type BlobRow = PostingBlock & { readonly term: string };

/** An index in a schema of its own of a Postgres database. Vectors are compared by pgvector, exactly. */
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

  /** SQL with the schema in place of `@`. */
  #sql(text: string): string {
    return text.replaceAll("@", `${this.#schema}.`);
  }

  #rows<R extends object>(text: string, ...values: readonly unknown[]): Promise<R[]> {
    return this.postgres.rows<R>(this.#sql(text), values);
  }

  async counts(): Promise<Counts> {
    const [counts] = await this.#rows<Counts>("SELECT documents, chunks, terms::float8 AS terms FROM @info");
    return counts!;
  }

  async kept(ids: readonly string[]): Promise<ReadonlyMap<string, KeptDocument>> {
    const sql = "SELECT id, hash, source FROM @documents WHERE id = ANY($1)";
    const rows = await this.#rows<KeptDocument & { id: string }>(sql, ids);
    return new Map(rows.map(({ id, ...kept }) => [id, kept]));
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
      await this.#remove(
        client,
        documents.map(({ id }) => id),
      );
      await this.#add(client, documents, next);
    });
  }

  async #add(client: PoolClient, documents: readonly PreparedDocument[], first: number): Promise<void> {
    const all = documents.flatMap(({ id, chunks }) => chunks.map((chunk) => ({ ...chunk, id })));
    const numbers = all.map((_, i) => first + i);
    const lengths = all.map(({ terms }) => terms.length);
    await client.query(
      this.#sql(
        "INSERT INTO @documents SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[])",
      ),
      [
        documents.map(({ id }) => id),
        documents.map(({ title }) => title),
        documents.map(({ categories }) => JSON.stringify(categories)),
        documents.map(({ metadata }) => JSON.stringify(metadata)),
        documents.map(({ source }) => source),
        documents.map(({ hash }) => hash),
        documents.map(({ chunks }) => chunks.length),
      ],
    );
    await client.query(
      this.#sql("INSERT INTO @chunks SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[])"),
      [numbers, all.map(({ id }) => id), all.map(({ text }) => text), lengths],
    );
    const vectors = all.flatMap(({ vector }, i) => (vector ? [{ chunk: numbers[i]!, text: vectorText(vector) }] : []));
    if (vectors.length > 0)
      await client.query(this.#sql("INSERT INTO @vectors SELECT * FROM unnest($1::int[], $2::text[]::vector[])"), [
        vectors.map(({ chunk }) => chunk),
        vectors.map(({ text }) => text),
      ]);
    const writer = new PostingWriter();
    for (const [i, { terms }] of all.entries()) writer.add(numbers[i]!, countsOf(terms), terms.length);
    const blobs = [...writer.blobs()];
    await client.query(
      this.#sql(
        `INSERT INTO @postings SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[])
         ON CONFLICT (term, block) DO UPDATE SET data = postings.data || excluded.data`,
      ),
      [
        blobs.map(({ term }) => term),
        blobs.map(({ block }) => block),
        blobs.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
      ],
    );
    const counts =
      "UPDATE @info SET next_chunk = next_chunk + $2, documents = documents + $1, chunks = chunks + $2, terms = terms + $3";
    await client.query(this.#sql(counts), [documents.length, all.length, lengths.reduce((a, b) => a + b, 0)]);
  }

  async move(ids: readonly string[], source: string | null): Promise<void> {
    await this.#rows("UPDATE @documents SET source = $1 WHERE id = ANY($2)", source, ids);
  }

  remove(ids: readonly string[]): Promise<number> {
    return this.#write((client) => this.#remove(client, ids));
  }

  async #remove(client: PoolClient, ids: readonly string[]): Promise<number> {
    const { rows: chunks } = await client.query<ChunkRow>(
      this.#sql(
        "SELECT chunk, title, text, terms FROM @chunks JOIN @documents d ON d.id = document WHERE document = ANY($1)",
      ),
      [ids],
    );
    await this.#removePostings(client, chunks);
    await client.query(this.#sql("DELETE FROM @vectors WHERE chunk = ANY($1)"), [chunks.map(({ chunk }) => chunk)]);
    await client.query(this.#sql("DELETE FROM @chunks WHERE document = ANY($1)"), [ids]);
    const { rowCount } = await client.query(this.#sql("DELETE FROM @documents WHERE id = ANY($1)"), [ids]);
    const terms = chunks.reduce((sum, chunk) => sum + chunk.terms, 0);
    await client.query(
      this.#sql("UPDATE @info SET documents = documents - $1, chunks = chunks - $2, terms = terms - $3"),
      [rowCount, chunks.length, terms],
    );
    return rowCount ?? 0;
  }

  async #removePostings(client: PoolClient, chunks: readonly ChunkRow[]): Promise<void> {
    const remover = new PostingRemover();
    for (const { chunk, title, text } of chunks) remover.add(chunk, chunkTerms(title, text));
    const places = new Map([...remover.places()].map(({ term, block, places }) => [`${block} ${term}`, places]));
    const terms = [...remover.places()];
    if (terms.length === 0) return;
    const keys = [terms.map(({ term }) => term), terms.map(({ block }) => block)];
    const { rows } = await client.query<BlobRow>(
      this.#sql(
        "DELETE FROM @postings WHERE (term, block) IN (SELECT * FROM unnest($1::text[], $2::int[])) RETURNING *",
      ),
      keys,
    );
    const left = rows.flatMap(({ term, block, data }) => {
      const rest = without(data, places.get(`${block} ${term}`)!);
      return rest ? [{ term, block, data: Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength) }] : [];
    });
    await client.query(this.#sql("INSERT INTO @postings SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[])"), [
      left.map(({ term }) => term),
      left.map(({ block }) => block),
      left.map(({ data }) => data),
    ]);
  }

  async idsFrom(source: string): Promise<string[]> {
    const rows = await this.#rows<{ id: string }>("SELECT id FROM @documents WHERE source = $1", source);
    return rows.map(({ id }) => id);
  }

  list(after: string, limit: number): Promise<ListedDocument[]> {
    const sql = "SELECT id, title, source, chunks FROM @documents WHERE id > $1 ORDER BY id LIMIT $2";
    return this.#rows<ListedDocument>(sql, after, limit);
  }

  byTerms(query: ReadonlyMap<string, number>, top: number): Promise<Ranked> {
    return this.postgres.transaction(async (client) => {
      const counts = await client.query<Counts>(this.#sql("SELECT chunks, terms::float8 AS terms FROM @info"));
      const sql = "SELECT term, block, data FROM @postings WHERE term = ANY($1)";
      const { rows } = await client.query<BlobRow>(this.#sql(sql), [[...query.keys()]]);
      // The order of the query's terms and of blocks decides how sums are rounded.
      const blocks = (wanted: string) => rows.filter(({ term }) => term === wanted).sort((a, b) => a.block - b.block);
      return rankByBm25(
        [...query].map(([term, count]) => ({ count, blocks: blocks(term) })),
        counts.rows[0]!,
        top,
      );
    }, SNAPSHOT);
  }

  async byVector(query: Float32Array, top: number) {
    const hits = await this.#rows<{ chunk: number; score: number }>(
      "SELECT chunk, -(vector <#> $1::vector) AS score FROM @vectors ORDER BY vector <#> $1::vector, chunk LIMIT $2",
      vectorText(query),
      top,
    );
    return { hits, compared: (await this.counts()).chunks };
  }

  async passages(chunks: readonly number[]): Promise<Passage[]> {
    type Found = Pick<Passage, "chunk" | "id" | "title" | "text"> & { categories: string; metadata: string };
    const rows = await this.#rows<Found>(
      "SELECT chunk, id, title, text, categories, metadata FROM @chunks JOIN @documents ON id = document WHERE chunk = ANY($1)",
      chunks,
    );
    const found = new Map(rows.map((row) => [row.chunk, row]));
    return chunks.flatMap((chunk) => {
      const row = found.get(chunk);
      return row ? { ...row, categories: JSON.parse(row.categories), metadata: JSON.parse(row.metadata) } : [];
    });
  }

  close(): Promise<void> {
    return this.postgres.close();
  }
}

/** Creates an index in a database. @throws UserError if there is one of that name, or vectors cannot be kept */
export async function createPostgresStore(address: string, name: string, settings: IndexSettings): Promise<Store> {
  const postgres = await Postgres.at(address, indexTables);
  const { place } = postgres;
  try {
    await postgres.transaction(async (client) => {
      if (settings.embedding) await enableVectors(client, place);
      await client.query(postgresSchema(name));
      await client.query(postgresTables(name, settings.embedding?.width));
      await client.query(`INSERT INTO ${schemaOf(name)}.info VALUES ($1, 0, 0, 0, 0)`, [JSON.stringify(settings)]);
    });
    return new PostgresStore(`${place}, ${name}`, name, settings, postgres);
  } catch (error) {
    await postgres.close();
    // Another process may have been faster.
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

/** Opens an index of a database. @throws UserError if there is none of that name */
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

/** @throws UserError if there is none */
export const deletePostgresStore = (address: string, name: string): Promise<void> =>
  once(address, async (postgres) => {
    if (!(await namesIn(postgres)).includes(name))
      throw new UserError(`there is no index ${name} at ${postgres.place}`);
    await postgres.rows(`DROP SCHEMA ${schemaOf(name)} CASCADE`);
  });
