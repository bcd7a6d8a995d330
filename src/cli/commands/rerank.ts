import type { Command } from "commander";
import { z } from "zod";
import type { WindowTrace } from "../../index.ts";
import { rankPipelineNamed, rankPipelines } from "../../pipelines/registry.ts";
import { parseRows } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { USUAL_RERANKER } from "../../weights/sources/aliases.ts";
import { addEncodeFlags, type EncodeFlags, encode, readCut } from "../encode.ts";
import { addFlags, flagsSet } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";
import { billed } from "../session.ts";

interface Flags extends EncodeFlags {
  query: string;
  explain?: boolean;
}

/** The flags of ranking pipelines, which override the options in a pipeline's name. */
const ownFlags = z.object(Object.assign({}, ...rankPipelines.map(({ flags }) => flags.shape)) as z.ZodRawShape);

interface RankInput {
  id: string | number;
  text: string;
}

const document = z.object({
  id: z.union([z.string(), z.number()], "expected a text or a number").optional(),
  text: z.string("expected a text").min(1, "expected a text, not empty"),
});

export function define(command: Command): void {
  const verb = addEncodeFlags(
    command.argument("<file>", 'documents, one {"id": …, "text": …} per line'),
    USUAL_RERANKER,
  )
    .requiredOption("--query <text>", "the query")
    .option("--explain", "with MODEL+first: also print each window with its letters and logits");
  addFlags(verb, ownFlags).action(rerank);
  examples(
    command,
    'modicum rerank documents.jsonl --query "solar panels"',
    'modicum rerank documents.jsonl --query "solar panels" --model smollm2+first',
  );
}

/** Prints the documents' ids with their scores, most relevant first. */
async function rerank(file: string, { query, ...flags }: Flags): Promise<void> {
  if (query.trim() === "") throw new UserError("--query is empty, expected a text", 2);
  const documents = await documentsOf(file);
  if (rankPipelineNamed(flags.model)) return rerankByLetters(documents, { query, ...flags });
  for (const flag of ["explain", ...Object.keys(ownFlags.shape)])
    if (flags[flag] !== undefined)
      throw new UserError(`--${flag} needs a reranker with windows, such as smollm2+first`, 2);
  await encode(
    flags,
    async () => documents.map(({ text }) => text),
    async (model, texts, stopping) => {
      const { scores, receipt } = await readCut((terms) => model.relevance(query, texts, { ...stopping, ...terms }));
      return { results: ranked(documents, scores), receipt };
    },
    (result) => {
      if (flags.json) printJson(result);
      else print(...columns(result.results.map((r) => [r.relevance_score.toFixed(4), String(r.id)])));
    },
  );
}

/** Ranks with a listwise reranker, `MODEL+first`. */
async function rerankByLetters(documents: readonly RankInput[], { query, ...flags }: Flags): Promise<void> {
  const signal = interruptSignal();
  const { model, adapter, json, explain } = flags;
  using download = showDownload(model);
  const first = flagsSet(ownFlags, flags);
  const { openReranker } = await import("../../library/rerank-pipeline.ts");
  using ranker = await openReranker(model, { ...formOption(flags), adapter, signal, first, ...download });
  await billed(async (onStopped) => {
    const texts = documents.map(({ text }) => text);
    const { scores, windows, receipt } = await ranker.rerank(query, texts, { signal, onStopped });
    const results = ranked(documents, scores);
    if (json) printJson({ results, ...(explain && { windows }), receipt });
    else printRanking(results, explain ? windows : []);
    return receipt;
  });
}

function printRanking(results: ReturnType<typeof ranked>, windows: readonly WindowTrace[]): void {
  for (const { window, passages, order } of windows) {
    print(`places ${window[0] + 1} to ${window[1]}: ${order.join(" > ")}`);
    print(...columns(passages.map(({ letter, index, logit }) => [letter, logit.toFixed(4), String(index)])));
  }
  print(...columns(results.map((r) => [r.relevance_score.toFixed(4), String(r.id)])));
}

/** Reads documents; those without an id get their index, from 0. @throws UserError if another document has that id */
export async function documentsOf(file: string): Promise<RankInput[]> {
  const rows = await parseRows(document, rowsOf(file));
  if (rows.length === 0) throw new UserError(`${file} has no documents; expected one per line`);
  const ids = new Set(rows.map(({ id }) => String(id)));
  const ambiguous = rows.findIndex(({ id }, index) => id === undefined && ids.has(String(index)));
  if (ambiguous < 0) return rows.map(({ id, text }, index) => ({ id: id ?? index, text }));
  throw new UserError(
    `${file}: document ${ambiguous} has no id, and another has the id ${ambiguous}; expected ids for all`,
  );
}

const ranked = (documents: readonly { id: string | number }[], scores: readonly number[]) =>
  scores
    .map((score, index) => ({ index, id: documents[index]!.id, relevance_score: score }))
    .sort((a, b) => b.relevance_score - a.relevance_score);
