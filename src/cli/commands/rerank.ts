import type { Command } from "commander";
import { z } from "zod";
import { rowsOf } from "../../lab/data/rows.ts";
import { parseRow } from "../../util/data/row.ts";
import { UserError } from "../../util/errors.ts";
import { addEncodeFlags, type EncodeFlags, encode } from "../encode.ts";
import { columns, print, printJson } from "../output.ts";

interface Flags extends EncodeFlags {
  query: string;
}

const document = z.object({
  id: z.union([z.string(), z.number()], "expected a text or a number").optional(),
  text: z.string("expected a text").min(1, "expected a text, not empty"),
});

export function define(command: Command): void {
  addEncodeFlags(command.argument("<file>", 'documents, one {"id": …, "text": …} per line'), "minilm")
    .requiredOption("--query <text>", "the query")
    .action(rerank);
}

/** Prints the documents' ids with their scores, the most relevant first. */
async function rerank(file: string, { query, ...flags }: Flags): Promise<void> {
  if (query.trim() === "") throw new UserError("--query is empty, expected a text", 2);
  const documents = await documentsOf(file);
  await encode(
    flags,
    async () => documents.map(({ text }) => text),
    async (model, texts, stopping) => {
      const { scores, receipt } = await model.relevance(query, texts, stopping);
      return { results: ranked(documents, scores), receipt };
    },
    (result) => {
      if (flags.json) printJson(result);
      else print(...columns(result.results.map((r) => [r.relevance_score.toFixed(4), String(r.id)])));
    },
  );
}

/** Documents without an id are called by their index, from 0. @throws UserError if that is another's id */
export async function documentsOf(file: string): Promise<{ id: string | number; text: string }[]> {
  const rows: z.output<typeof document>[] = [];
  for await (const row of rowsOf(file)) rows.push(parseRow(document, row));
  if (rows.length === 0) throw new UserError(`${file} has no documents; expected one per line`);
  const given = new Set(rows.map(({ id }) => String(id)));
  const taken = rows.findIndex(({ id }, index) => id === undefined && given.has(String(index)));
  if (taken < 0) return rows.map(({ id, text }, index) => ({ id: id ?? index, text }));
  throw new UserError(`${file}: document ${taken} has no id, and another has the id ${taken}; expected ids for all`);
}

const ranked = (documents: readonly { id: string | number }[], scores: readonly number[]) =>
  scores
    .map((score, index) => ({ index, id: documents[index]!.id, relevance_score: score }))
    .sort((a, b) => b.relevance_score - a.relevance_score);
