import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { linesOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import type { Document, RankingItem } from "../item.ts";
import { mrr, ndcg } from "../metrics/index.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";
import { type Family, readOptions } from "./family.ts";

const options = z.strictObject({ folder: z.string("expected a folder: cranfield:FOLDER") });

const about = {
  summary: "Which of 1,400 abstracts on aerodynamics answer a question: the Cranfield collection, its grades as gains",
  kind: "ranking",
  size: 225,
  metrics: [ndcg(10), mrr],
} as const;

export const cranfield: Family = {
  ...about,
  name: "cranfield",
  source: "FOLDER with cran.all.1400, cran.qry and cranqrel, as ir.dcs.gla.ac.uk has them",
  usage: "FOLDER",
  make(text): TaskOf<"ranking"> {
    const { folder } = readOptions("cranfield", options, text, "folder");
    return { ...about, name: `cranfield:${text}`, source: folder, items: (run) => itemsOf(folder, run) };
  },
};

async function* itemsOf(folder: string, run: ItemsFor): AsyncGenerator<RankingItem> {
  const documents: Document[] = (await records(folder, "cran.all.1400")).map(({ id, fields }) => ({
    id,
    text: fields["W"] || fields["T"] || "",
  }));
  const judged = await judgements(join(folder, "cranqrel"));
  // The judgements number the queries by position and ignore their `.I`.
  const queries = (await records(folder, "cran.qry")).map(({ fields }, i) => ({
    id: String(i + 1),
    query: fields["W"]!,
  }));
  for (const { id, query } of drawn(queries, run))
    yield { kind: "ranking", id, query, documents, relevance: Object.fromEntries(judged.get(id) ?? []) };
}

interface Cranrecord {
  readonly id: string;
  /** Fields by letter: `T` title, `W` text. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Records that begin with `.I number`, with fields that begin with a line of a point and a letter. */
async function records(folder: string, name: string): Promise<Cranrecord[]> {
  const found: { id: string; fields: Record<string, string> }[] = [];
  let field = "";
  for await (const line of linesOf(fileIn(folder, name))) {
    const [, mark, id] = /^\.([A-Z])(?:\s+(\d+))?\s*$/.exec(line) ?? [];
    if (mark === "I") found.push({ id: String(Number(id)), fields: {} });
    const fields = found.at(-1)?.fields;
    if (fields === undefined) throw new UserError(`${join(folder, name)}: expected a first line ".I 1", got "${line}"`);
    if (mark !== undefined) field = mark;
    else fields[field] = [fields[field], line.trim()].filter(Boolean).join(" ");
  }
  return found;
}

function fileIn(folder: string, name: string): string {
  const path = join(folder, name);
  if (!existsSync(path))
    throw new UserError(`${folder} has no file ${name}; expected the Cranfield collection's folder`);
  return path;
}

/** Gains by query and document: Cleverdon's 1 (a complete answer) to 4 (of minimum interest) become 4 to 1; -1, one a query, gains nothing, as in trec_eval. */
async function judgements(path: string): Promise<Map<string, Map<string, number>>> {
  const found = new Map<string, Map<string, number>>();
  for await (const line of linesOf(path)) {
    const [query, document, code] = line.trim().split(/\s+/);
    if (query === undefined || document === undefined || code === undefined) continue;
    const grade = Number(code);
    const gains = found.get(query) ?? new Map<string, number>();
    found.set(query, gains.set(document, grade >= 1 && grade <= 4 ? 5 - grade : 0));
  }
  return found;
}
