import { z } from "zod";
import { sha256Of } from "../util/hash.ts";

/** Replaces characters that a store cannot hold: NUL in Postgres, and half a surrogate pair in UTF-8. */
const storable = (text: string): string => text.replace(/\0/g, "\ufffd").replace(/\p{Surrogate}/gu, "\ufffd");

const text = (expected = "expected a text") => z.string(expected).transform(storable);
const id = z
  .union([z.string(), z.number()], "expected a text or a number")
  .transform((value) => storable(String(value)))
  .refine((value) => value.length >= 1 && value.length <= 512, "expected 1 to 512 characters");

/** A document as callers pass it. Other fields are ignored. */
export const documentSchema = z.object({
  id,
  title: text().default(""),
  text: text(),
  categories: z.array(text(), "expected a list of texts").default([]),
  metadata: z.record(z.string(), z.json(), "expected an object").default({}),
});

export type DocumentInput = z.input<typeof documentSchema>;
export type Document = z.output<typeof documentSchema>;

/** SHA-256 of everything but the id, in hexadecimal. */
export function contentHash({ title, text, categories, metadata }: Document): string {
  return sha256Of(JSON.stringify([title, text, categories, metadata]));
}
