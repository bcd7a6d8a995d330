import { z } from "zod";
import type { Receipt } from "../../../ledger/receipt.ts";
import { base64 } from "../base64.ts";
import { billedShape } from "../usage.ts";
import { type EmbedInput, textsOf } from "./request.ts";

/** The fields that are read from a local or remote answer to `POST /v1/embeddings`. */
export const embedded = z.object({
  data: z.array(z.object({ embedding: z.array(z.number()) })),
  receipt: z.custom<Receipt>(),
});

const floats = z.array(z.array(z.number()));
const byType = z.object({ float: floats.optional(), base64: z.array(z.string()).optional() });

/** Versions of Cohere's API. The first answers in a different format if a request names no embedding types. */
export type Version = "1" | "2";

export const embedOutput = z.object({
  id: z.string(),
  response_type: z.enum(["embeddings_floats", "embeddings_by_type"]),
  embeddings: z.union([floats, byType]),
  texts: z.array(z.string()),
  meta: z.object({
    api_version: z.object({ version: z.string() }),
    billed_units: z.object({ input_tokens: z.int() }),
  }),
  ...billedShape,
});

/** The vectors in each requested format. */
export function vectorsIn(input: EmbedInput, version: Version, vectors: z.output<typeof floats>) {
  const types = input.embedding_types ?? [];
  const texts = textsOf(input);
  if (version === "1" && types.length === 0)
    return { response_type: "embeddings_floats" as const, embeddings: vectors, texts };
  const embeddings = {
    ...((types.length === 0 || types.includes("float")) && { float: vectors }),
    ...(types.includes("base64") && { base64: vectors.map((vector) => base64(Float32Array.from(vector))) }),
  };
  return { response_type: "embeddings_by_type" as const, embeddings, texts };
}
