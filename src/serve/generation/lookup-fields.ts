import { z } from "zod";
import { type QZeroInput, qzeroOptions } from "../../pipelines/qzero/options.ts";
import { unlessInside } from "../../util/checked.ts";
import { listOf } from "../../util/list-of.ts";
import type { Limits } from "../limits.ts";

/** Labels of one request. */
const MOST_LABELS = 4096;
const label = z.string().min(1).max(300);
const labelList = listOf(label, { of: "labels", min: 1, max: MOST_LABELS });
const labelWords = z.record(
  label,
  z.union(
    [label, listOf(label, { of: "words", min: 1, max: 32 })],
    unlessInside("expected a text, or a list of words"),
  ),
);

/** Labels, or label words by label, which only a lookup reads. */
export const labelsField = z.union(
  [labelList, labelWords],
  unlessInside(`expected a list of 1 to ${MOST_LABELS} labels, or label words by label`),
);

/** `topK` → `top_k`. */
const snake = (key: string): string => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** A field without its default, which would look as if the request had it. */
function optional(field: z.ZodType): z.ZodType {
  const { description = "" } = field;
  if (!(field instanceof z.ZodDefault)) return field.nullish().describe(description);
  const inner = field.unwrap() as z.ZodType;
  return inner.nullish().describe(`${description}; default ${field.parse(undefined)}`);
}

const optionFields = Object.fromEntries(
  Object.entries(qzeroOptions.shape).map(([key, field]) => [snake(key), optional(field)]),
);

export const retrievalField = z.object({
  index: z.string().min(1).max(100).nullish().describe("an index that the server was started with (--index)"),
  ...optionFields,
});

/** The options among a request's fields. */
export function qzeroOf(fields: Readonly<Record<string, unknown>>): QZeroInput {
  const keys = Object.keys(qzeroOptions.shape).filter((key) => (fields[snake(key)] ?? undefined) !== undefined);
  return Object.fromEntries(keys.map((key) => [key, fields[snake(key)]]));
}

const MOST_DOCUMENTS = 999;

/** Documents for each text, in place of an index. */
export const evidenceField = ({ maxTexts, maxPrompt }: Limits) => {
  const short = z.string().max(maxPrompt);
  const document = z.object({
    id: short.default("").describe("only returned in an explanation"),
    title: short.default("").describe("only returned in an explanation"),
    score: z
      .number()
      .nullish()
      .transform((score) => score ?? undefined)
      .describe("only returned in an explanation"),
    categories: listOf(short, { of: "categories", max: 4096 }).describe("the categories that are read"),
  });
  const documents = listOf(document, { of: "documents", max: MOST_DOCUMENTS });
  return listOf(documents, { of: "lists of documents", max: maxTexts });
};

const contribution = z.object({ name: z.string(), count: z.int(), contribution: z.number().optional() });
const found = z.object({
  id: z.string(),
  title: z.string(),
  score: z.number().optional(),
  categories: z.array(z.string()),
});

/** Fields of a result of a lookup, beside label and scores. */
export const lookupShape = {
  retrieved: z.boolean().optional().describe("true if the text was looked up"),
  fallback: z.boolean().optional().describe("true if it was looked up in vain"),
  explanation: z
    .object({
      documents: z.array(found),
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
