import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { listOf } from "../../util/list-of.ts";
import type { QZeroRequest } from "./classifier.ts";
import type { LabelsInput } from "./labels.ts";
import { type QZeroInput, qzeroOptions } from "./options.ts";

/** `topK` → `top_k`. */
const snake = (key: string): string => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** Makes a field optional and drops its default: a default would look as if the request had set the field. */
function optional(field: z.ZodType): z.ZodType {
  const { description = "" } = field;
  if (!(field instanceof z.ZodDefault)) return field.nullish().describe(description);
  const inner = field.unwrap() as z.ZodType;
  return inner.nullish().describe(`${description}; default ${field.parse(undefined)}`);
}

const retrieval = z.object({
  index: z.string().min(1).max(100).nullish().describe("the name of an index on the server (--index)"),
  ...Object.fromEntries(Object.entries(qzeroOptions.shape).map(([key, field]) => [snake(key), optional(field)])),
});

/** The options among a request's fields. */
function qzeroOf(fields: Readonly<Record<string, unknown>>): QZeroInput {
  const keys = Object.keys(qzeroOptions.shape).filter((key) => (fields[snake(key)] ?? undefined) !== undefined);
  return Object.fromEntries(keys.map((key) => [key, fields[snake(key)]]));
}

const MOST_DOCUMENTS = 999;

/** Limits on the number of texts in a request and of characters in a text. */
export function fields({ maxTexts, maxPrompt }: { readonly maxTexts: number; readonly maxPrompt: number }) {
  const short = z.string().max(maxPrompt);
  const document = z.object({
    id: short.default("").describe("returned only in an explanation"),
    title: short.default("").describe("returned only in an explanation"),
    score: z
      .number()
      .nullish()
      .transform((score) => score ?? undefined)
      .describe("returned only in an explanation"),
    categories: listOf(short, { of: "categories", max: 4096 }).describe("the categories to read"),
  });
  const documents = listOf(document, { of: "documents", max: MOST_DOCUMENTS });
  return {
    retrieval: retrieval
      .nullish()
      .describe("classify by the categories of found documents, with an embedding model or glove"),
    evidence: listOf(documents, { of: "lists of documents", max: maxTexts })
      .nullish()
      .describe("documents for each text, best first, instead of an index"),
    explain: z.boolean().nullish().describe("with retrieval: also return documents, categories and keywords"),
  };
}

const contribution = z.object({ name: z.string(), count: z.int(), contribution: z.number().optional() });
const documentSchema = z.object({
  id: z.string(),
  title: z.string(),
  score: z.number().optional(),
  categories: z.array(z.string()),
});

export const shown = {
  retrieved: z.boolean().optional().describe("true if the text was looked up"),
  fallback: z.boolean().optional().describe("true if the search found nothing"),
  explanation: z
    .object({
      documents: z.array(documentSchema),
      categories: z.array(contribution),
      keywords: z.array(contribution),
      read: z.object({
        found: z.int(),
        categories: z.int(),
        tokens: z.object({ given: z.int(), read: z.int() }).optional(),
      }),
    })
    .optional(),
};

/** A request's settings. */
type Fields = z.output<z.ZodObject<ReturnType<typeof fields>>> & { readonly labels?: LabelsInput | null | undefined };

/** Reads a request's settings; undefined if the request does not use this pipeline. @throws UserError */
export function read({ labels, retrieval, evidence, explain }: Fields): QZeroRequest | undefined {
  if (!retrieval && !evidence) {
    if (explain) throw new UserError("explain needs retrieval or evidence", 2, "explain");
    return undefined;
  }
  if (!labels) throw new UserError("labels: a classification by lookup needs labels", 2, "labels");
  const index = retrieval?.index ?? undefined;
  if (evidence && index)
    throw new UserError("evidence replaces retrieval.index; expected one of them, got both", 2, "evidence");
  if (!evidence && !index) throw new UserError("retrieval.index: expected an index, or evidence", 2, "retrieval.index");
  return { index, labels, qzero: qzeroOf(retrieval ?? {}), evidence: evidence ?? undefined, explain: explain ?? false };
}
