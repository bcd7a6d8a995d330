import type { PoolClient, QueryResultRow } from "pg";
import { countsOf } from "../analysis.ts";
import { type PostingBlock, PostingRemover, PostingWriter, without } from "../postings.ts";
import { inSchema } from "./postgres-schema.ts";
import { chunkTerms, type PreparedChunk, type PreparedDocument } from "./store.ts";

/** pgvector's text format, which keeps every digit of a float32. */
export const vectorText = (vector: Float32Array): string =>
  `[${Array.from(vector, (x) => x.toPrecision(9)).join(",")}]`;

interface ChunkRow {
  readonly chunk: number;
  readonly title: string;
  readonly text: string;
  readonly terms: number;
}

/** A chunk that is added, with its number and its document's id. */
type NewChunk = PreparedChunk & { readonly chunk: number; readonly id: string };

type Blob = PostingBlock & { readonly term: string };

/** Changes an index in a transaction that holds its lock. */
export class PostgresWriter {
  constructor(
    private readonly client: PoolClient,
    private readonly schema: string,
  ) {}

  async #query<R extends QueryResultRow>(sql: string, ...values: readonly unknown[]) {
    return this.client.query<R>(inSchema(this.schema, sql), [...values]);
  }

  /** `first`: the number of the first new chunk. */
  async add(documents: readonly PreparedDocument[], first: number): Promise<void> {
    const chunks = documents
      .flatMap(({ id, chunks }) => chunks.map((chunk) => ({ ...chunk, id })))
      .map((chunk, i): NewChunk => ({ ...chunk, chunk: first + i }));
    await this.#addDocuments(documents);
    await this.#addChunks(chunks);
    await this.#addVectors(chunks);
    await this.#addPostings(chunks);
    const counts =
      "UPDATE @info SET next_chunk = next_chunk + $2, documents = documents + $1, chunks = chunks + $2, terms = terms + $3";
    await this.#query(counts, documents.length, chunks.length, sumOf(chunks.map(({ terms }) => terms.length)));
  }

  async #addDocuments(documents: readonly PreparedDocument[]): Promise<void> {
    const types = "$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[]";
    await this.#query(
      `INSERT INTO @documents SELECT * FROM unnest(${types})`,
      documents.map(({ id }) => id),
      documents.map(({ title }) => title),
      documents.map(({ categories }) => JSON.stringify(categories)),
      documents.map(({ metadata }) => JSON.stringify(metadata)),
      documents.map(({ source }) => source),
      documents.map(({ hash }) => hash),
      documents.map(({ chunks }) => chunks.length),
    );
  }

  async #addChunks(chunks: readonly NewChunk[]): Promise<void> {
    await this.#query(
      "INSERT INTO @chunks SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[])",
      chunks.map(({ chunk }) => chunk),
      chunks.map(({ id }) => id),
      chunks.map(({ text }) => text),
      chunks.map(({ terms }) => terms.length),
    );
  }

  async #addVectors(chunks: readonly NewChunk[]): Promise<void> {
    const all = chunks.flatMap(({ chunk, vector }) => (vector ? [{ chunk, vector: vectorText(vector) }] : []));
    if (all.length === 0) return;
    await this.#query(
      "INSERT INTO @vectors SELECT * FROM unnest($1::int[], $2::text[]::vector[])",
      all.map(({ chunk }) => chunk),
      all.map(({ vector }) => vector),
    );
  }

  async #addPostings(chunks: readonly NewChunk[]): Promise<void> {
    const writer = new PostingWriter();
    for (const { chunk, terms } of chunks) writer.add(chunk, countsOf(terms), terms.length);
    await this.#insertBlobs([...writer.blobs()]);
  }

  /** Appends blobs to their terms' existing postings in the block. */
  async #insertBlobs(blobs: readonly Blob[]): Promise<void> {
    await this.#query(
      `INSERT INTO @postings SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[])
       ON CONFLICT (term, block) DO UPDATE SET data = postings.data || excluded.data`,
      blobs.map(({ term }) => term),
      blobs.map(({ block }) => block),
      blobs.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    );
  }

  /** Returns the number of documents that existed. */
  async remove(ids: readonly string[]): Promise<number> {
    const select =
      "SELECT chunk, title, text, terms FROM @chunks JOIN @documents d ON d.id = document WHERE document = ANY($1)";
    const { rows: chunks } = await this.#query<ChunkRow>(select, ids);
    if (chunks.length > 0) await this.#removePostings(chunks);
    await this.#query(
      "DELETE FROM @vectors WHERE chunk = ANY($1)",
      chunks.map(({ chunk }) => chunk),
    );
    await this.#query("DELETE FROM @chunks WHERE document = ANY($1)", ids);
    const { rowCount } = await this.#query("DELETE FROM @documents WHERE id = ANY($1)", ids);
    const counts = "UPDATE @info SET documents = documents - $1, chunks = chunks - $2, terms = terms - $3";
    await this.#query(counts, rowCount, chunks.length, sumOf(chunks.map(({ terms }) => terms)));
    return rowCount ?? 0;
  }

  async #removePostings(chunks: readonly ChunkRow[]): Promise<void> {
    const remover = new PostingRemover();
    for (const { chunk, title, text } of chunks) remover.add(chunk, chunkTerms(title, text));
    const all = [...remover.places()];
    const places = new Map(all.map(({ term, block, places }) => [`${block} ${term}`, places]));
    const { rows } = await this.#query<Blob>(
      "DELETE FROM @postings WHERE (term, block) IN (SELECT * FROM unnest($1::text[], $2::int[])) RETURNING *",
      all.map(({ term }) => term),
      all.map(({ block }) => block),
    );
    const remaining = rows.flatMap(({ term, block, data }) => {
      const rest = without(data, places.get(`${block} ${term}`)!);
      return rest ? [{ term, block, data: rest }] : [];
    });
    await this.#insertBlobs(remaining);
  }
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
