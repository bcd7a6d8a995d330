import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { linesOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { readRun } from "../data/trec-run.ts";
import type { Document, RankingItem } from "../item.ts";
import { mrr, ndcg } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";
import { count, type Family, readOptions } from "./family.ts";

const options = z.strictObject({
  folder: z.string("expected a folder: cranfield:FOLDER"),
  /** A run in TREC's format: only the documents that it lists for a query are ranked, in the run's order. */
  candidates: z.string().optional(),
  /** The number of candidates per query. */
  top: count(1, 1400).optional(),
  /** The maximum number of words read from each document. */
  words: count(1, 10_000).optional(),
  /** True to keep each query's source documents, judged −1, which are lexically closest to the query. */
  source: z.enum(["keep", "drop"], "expected keep or drop").default("keep"),
});
type Options = z.output<typeof options>;

const metadata = {
  summary:
    "Which of 1,400 abstracts on aerodynamics answer a question: the Cranfield collection, with its grades as gains",
  kind: "ranking",
  size: 225,
  metrics: [ndcg(10), mrr],
} as const;

export const cranfield: Family = {
  ...metadata,
  name: "cranfield",
  source: "FOLDER with cran.all.1400, cran.qry and cranqrel, as published on ir.dcs.gla.ac.uk",
  usage: "FOLDER[,candidates=RUN][,top=40][,words=64][,source=drop]",
  make(text): TaskOf<"ranking"> {
    const parsed = readOptions("cranfield", options, text, "folder");
    return { ...metadata, name: `cranfield:${text}`, source: parsed.folder, items: (run) => itemsOf(parsed, run) };
  },
};

async function* itemsOf(options: Options, run: ItemsFor): AsyncGenerator<RankingItem> {
  const { folder, words, source } = options;
  const documents: Document[] = (await records(folder, "cran.all.1400")).map(({ id, fields }) => ({
    id,
    text: cut(fields["W"] || fields["T"] || "", words),
  }));
  const judged = await judgements(join(folder, "cranqrel"), source);
  const ranked = options.candidates === undefined ? undefined : await readRun(options.candidates);
  // The judgements number the queries by position and ignore the queries' `.I` numbers.
  const queries = (await records(folder, "cran.qry")).map(({ fields }, i) => ({
    id: String(i + 1),
    query: fields["W"]!,
  }));
  for (const { id, query } of drawn(queries, run)) {
    const { gains = new Map(), sources = new Set() } = judged.get(id) ?? {};
    const own = ranked ? candidatesOf(documents, ranked.get(id) ?? [], options) : documents;
    const remaining = source === "drop" ? own.filter((document) => !sources.has(document.id)) : own;
    const some = ranked ? remaining.slice(0, options.top) : remaining;
    yield { kind: "ranking", id, query, documents: some, relevance: Object.fromEntries(gains) };
  }
}

/** A query's documents in the order of a run. @throws UserError for a document that is not in the collection */
function candidatesOf(documents: readonly Document[], ids: readonly string[], { candidates }: Options): Document[] {
  return ids.map((id) => {
    const document = documents[Number(id) - 1];
    if (document?.id === id) return document;
    throw new UserError(`${candidates}: there is no document ${id} in the collection`);
  });
}

const cut = (text: string, words: number | undefined): string =>
  words === undefined ? text : text.split(" ").slice(0, words).join(" ");

interface Cranrecord {
  readonly id: string;
  /** Fields by letter: `T` title, `W` text. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Reads records, which begin with `.I number`; each field begins with a line of a dot and a letter. */
async function records(folder: string, name: string): Promise<Cranrecord[]> {
  const entries: { id: string; fields: Record<string, string> }[] = [];
  let field = "";
  for await (const line of linesOf(fileIn(folder, name))) {
    const [, mark, id] = /^\.([A-Z])(?:\s+(\d+))?\s*$/.exec(line) ?? [];
    if (mark === "I") entries.push({ id: String(Number(id)), fields: {} });
    const fields = entries.at(-1)?.fields;
    if (fields === undefined) throw new UserError(`${join(folder, name)}: expected a first line ".I 1", got "${line}"`);
    if (mark !== undefined) field = mark;
    else fields[field] = [fields[field], line.trim()].filter(Boolean).join(" ");
  }
  return entries;
}

function fileIn(folder: string, name: string): string {
  const path = join(folder, name);
  if (!existsSync(path))
    throw new UserError(`${folder} has no file ${name}; expected the Cranfield collection's folder`);
  return path;
}

interface Judgements {
  /** Each document's gain. */
  readonly gains: Map<string, number>;
  readonly sources: Set<string>;
}

/** Judgements by query: Cleverdon's 1 (a complete answer) to 4 (of minimum interest) become gains of 4 to 1; -1, a query's source, gains nothing, as in trec_eval. */
async function judgements(path: string, source: Options["source"]): Promise<Map<string, Judgements>> {
  const byQuery = new Map<string, Judgements>();
  for await (const line of linesOf(path)) {
    const [query, document, code] = line.trim().split(/\s+/);
    if (query === undefined || document === undefined || code === undefined) continue;
    const grade = Number(code);
    const judged = byQuery.get(query) ?? { gains: new Map<string, number>(), sources: new Set<string>() };
    byQuery.set(query, judged);
    if (grade < 0) judged.sources.add(document);
    if (grade >= 0 || source === "keep") judged.gains.set(document, grade >= 1 && grade <= 4 ? 5 - grade : 0);
  }
  return byQuery;
}
