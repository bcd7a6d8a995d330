import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { sha256 } from "../weights/json-file.ts";
import { ANALYSIS } from "./analysis.ts";
import { chunkOptions } from "./chunk.ts";

/** Everything that an index's vectors depend on. */
const embeddingIdentity = z.strictObject({
  /** The embedding model's name. */
  name: z.string().min(1),
  /** SHA-256 of the model's weights, in hexadecimal. */
  sha256,
  /** The width of a vector. */
  width: z.int().min(1),
});
export type EmbeddingIdentity = z.output<typeof embeddingIdentity>;

/** An index's settings, fixed when it is created. */
const indexSettings = z.strictObject({
  analysis: z.string(),
  /** Null for an index without vectors. */
  embedding: embeddingIdentity.nullable(),
  chunks: chunkOptions,
  /** True if vectors are searched approximately, by HNSW. */
  approximate: z.literal(true).optional(),
});
export type IndexSettings = z.output<typeof indexSettings>;

/** @throws UserError for invalid settings, or if the terms come from a different text analysis */
export function parseSettings(text: string, place: string): IndexSettings {
  const { data } = indexSettings.safeParse(JSON.parse(text));
  if (data === undefined) throw new UserError(`the index ${place} has settings that this program can't read`);
  if (data.analysis === ANALYSIS) return data;
  throw new UserError(
    `the index ${place} was made with text analysis ${data.analysis}, and this program uses ${ANALYSIS}; create it again`,
  );
}

/** @throws UserError if an index has no vectors, or a different model's vectors */
export function checkEmbedding(index: string, embedding: EmbeddingIdentity | null, model: EmbeddingIdentity): void {
  if (!embedding) throw new UserError(`the index ${index} has no vectors; create one with an embedding model`, 2);
  const { name, sha256, width } = embedding;
  if (name !== model.name)
    throw new UserError(`the index ${index} has vectors of ${name}, not of ${model.name}; create an index for it`, 2);
  if (sha256 === model.sha256 && width === model.width) return;
  throw new UserError(
    `the index ${index} has vectors of a different ${name} (SHA-256 ${digits(sha256)}…, here it is ${digits(model.sha256)}…); create it again`,
  );
}

const digits = (sha256: string): string => sha256.slice(0, 12);
