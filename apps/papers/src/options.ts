import { UserError } from "modicum";
import { z } from "zod";

/** Prefixes an error about a value with its flag's name. */
export async function inOption(flag: string, check: Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${flag}: ${error.message}`, 2) : error;
  }
}

/** Options of all verbs that open the application. */
export const openOptions = z.strictObject({
  embedding: z
    .string()
    .min(1, "expected an embedding MODEL, or none")
    .default("minilm")
    .describe("an embedding model for search and similar papers; none: search by words"),
  qzero: z.string().min(1).optional().describe("a search index whose categories help find topics (default: none)"),
  store: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "expected postgres://user@host/database")
    .optional()
    .describe("postgres://user@host/database, which servers can share (default: files in MODICUM_PAPERS)"),
});

export const importOptions = z.strictObject({
  year: z
    .int("expected a year")
    .min(1900)
    .max(2999)
    .optional()
    .describe("year of dates without one on a saved page (default: the page's newest year + 1)"),
  topic: z
    .array(z.string().trim().min(1, "expected a label"))
    .optional()
    .describe("your own topics, which replace earlier ones; a paper gets the best fit, or none"),
  allowPrivate: z.boolean().default(false).describe("also read addresses of this machine and private networks"),
});

export const watchOptions = z.strictObject({
  every: z.number().min(1, "expected at least 1").default(60).describe("minutes between two imports"),
});
