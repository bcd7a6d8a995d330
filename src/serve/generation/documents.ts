import { z } from "zod";
import { accepted } from "../http/endpoint.ts";
import type { Limits } from "../limits.ts";

/** A text, or an object with texts in its fields. */
export type Document = string | Readonly<Record<string, unknown>>;

/** The texts of the documents. @throws HttpError that names the field */
export function documentTexts(
  documents: readonly Document[],
  fields: readonly string[] | null | undefined,
  { maxPrompt }: Limits,
): string[] {
  const text = z.string().min(1).max(maxPrompt);
  const whole = z.object({ documents: z.array(z.object({ text })) });
  const objects = documents.map((d) =>
    typeof d === "string" ? { text: d } : fields ? { text: joined(d, fields) } : d,
  );
  return accepted(whole, { documents: objects }).documents.map((d) => d.text);
}

/** A line for each of the requested fields that the document has, as in Cohere; a repeated field is read once. */
const joined = (document: Readonly<Record<string, unknown>>, fields: readonly string[]): string =>
  [...new Set(fields)]
    .filter((field) => Object.hasOwn(document, field))
    .map((field) => `${field}: ${asText(document[field])}`)
    .join("\n");

const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
