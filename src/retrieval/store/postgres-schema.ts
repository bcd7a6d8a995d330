import type { IndexSettings } from "../settings.ts";

/** Every index has a schema of its own. */
export const SCHEMA_PREFIX = "modicum_index_";

/** A schema's quoted name; `name` has been checked and contains no quotes. */
export const schemaOf = (name: string): string => `"${SCHEMA_PREFIX}${name}"`;

/** SQL with the schema in place of `@`. */
export const inSchema = (schema: string, sql: string): string => sql.replaceAll("@", `${schema}.`);

export const postgresSchema = (name: string): string => `CREATE SCHEMA ${schemaOf(name)}`;

/** Compares bytes, so that ids sort alike in any locale and in SQLite. */
const TEXT = 'text COLLATE "C"';

/** The tables of an index. */
export function postgresTables(name: string, { embedding, approximate }: IndexSettings): string {
  const schema = schemaOf(name);
  const width = embedding?.width;
  const vector = width === undefined ? "bytea" : `vector(${width})`;
  return `CREATE TABLE ${schema}.info (
  settings text NOT NULL,
  next_chunk integer NOT NULL,
  documents integer NOT NULL,
  chunks integer NOT NULL,
  terms bigint NOT NULL
);
CREATE TABLE ${schema}.documents (
  id ${TEXT} PRIMARY KEY,
  title text NOT NULL,
  categories text NOT NULL,
  metadata text NOT NULL,
  source text,
  hash text NOT NULL,
  chunks integer NOT NULL
);
CREATE INDEX documents_source ON ${schema}.documents (source);
CREATE TABLE ${schema}.chunks (
  chunk integer PRIMARY KEY,
  document ${TEXT} NOT NULL,
  text text NOT NULL,
  terms integer NOT NULL
);
CREATE INDEX chunks_document ON ${schema}.chunks (document);
CREATE TABLE ${schema}.vectors (
  chunk integer PRIMARY KEY,
  vector ${vector} NOT NULL
);
CREATE TABLE ${schema}.postings (
  term ${TEXT} NOT NULL,
  block integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (term, block)
);${approximate ? `\nCREATE INDEX vectors_hnsw ON ${schema}.vectors USING hnsw (vector vector_ip_ops);` : ""}`;
}
