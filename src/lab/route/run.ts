import path from "node:path";
import { z } from "zod";
import { tokenizerOf } from "../../engine/file/tokenizer-of.ts";
import { textPipelineNamed } from "../../pipelines/registry.ts";
import { vocabularyOf } from "../../train/graphs/encoder-model.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { type ResolvedModel, resolveModel } from "../../weights/sources/index.ts";
import type { Item } from "../item.ts";
import { stringify } from "../reals.ts";
import { machine, versions } from "../run/machine.ts";
import { overChat, type Task } from "../task.ts";
import { answersTo, safe } from "./answers.ts";
import { evaluate, type PairResult } from "./evaluate.ts";
import { resultTable } from "./table.ts";

export const routeRunOptions = z.object({
  limit: z.int().min(4).default(120).describe("number of items; each half's thresholds are judged on the other half"),
  seed: z.int().min(0).default(0).describe("seed for item selection and intervals"),
});
type RouteRunOptions = z.output<typeof routeRunOptions>;

/** Pairs of models on tasks. */
export interface RouteRun {
  readonly pairs: readonly string[];
  readonly tasks: readonly Task[];
  readonly options: RouteRunOptions;
  readonly out: string;
  readonly command: string;
  readonly version: string;
  readonly signal?: AbortSignal | undefined;
  readonly notice: (sentence: string) => void;
}

/** One pair on one task, as stored in the folder. */
export interface RouteReport extends PairResult {
  readonly pair: string;
  readonly task: string;
  readonly metric: string;
}

/**
 * Answers every item with every model, once, then reports what each pair's routes would have done, since an answer does
 * not depend on the pair. Answers in the folder are reused. Writes `<pair>/<task>.json` and a table.
 * @throws UserError
 */
export async function runRoutes(run: RouteRun): Promise<RouteReport[]> {
  const pairs = run.pairs.map(modelsOf);
  const models = new Map<string, ResolvedModel>();
  for (const name of new Set(pairs.flatMap(({ swift, super: strong }) => [swift, strong])))
    models.set(name, await resolveModel(name, { signal: run.signal, onNotice: run.notice }));
  const chat = (await Promise.all([...models.values()].map(chats))).every((reads) => reads);
  const reports: RouteReport[] = [];
  for (const plain of run.tasks) {
    const task = chat ? (overChat(plain) ?? plain) : plain;
    const items = await itemsOf(task, run);
    const answers = new Map<string, Awaited<ReturnType<typeof answersTo>>>();
    for (const [name, source] of models) {
      const onItem = (done: number, of: number) =>
        void (done % 10 === 0 && run.notice(`${name} on ${task.name}: ${done} of ${of}`));
      answers.set(name, await answersTo({ source, task, items, out: run.out, signal: run.signal, onItem }));
    }
    for (const { name: pair, swift, super: strong } of pairs) {
      const result = evaluate(answers.get(swift)!, answers.get(strong)!, run.options.seed);
      const report = { pair, task: task.name, metric: task.metrics[0].name, ...result };
      reports.push(report);
      await keep(run, report);
    }
    await writeWhole(path.join(run.out, "README.md"), resultTable(reports, run.command));
  }
  return reports;
}

/** True if a model reads a user's text as a chat. */
async function chats({ path: file }: ResolvedModel): Promise<boolean> {
  const checkpoint = openCheckpoint(file);
  return tokenizerOf(checkpoint, await vocabularyOf(checkpoint)).chatTemplate !== undefined;
}

function modelsOf(text: string) {
  const pair = textPipelineNamed(text);
  if (pair?.pipeline.name !== "route")
    throw new UserError(`"${text}" is not a pair of models; expected SWIFT>SUPER`, 2);
  if (pair.optionText !== "")
    throw new UserError(`"${text}": expected two models without options, since all shares and scores are tried`, 2);
  const { name, roles } = pair;
  return { name, swift: roles["swift"]!, super: roles["super"]! };
}

async function itemsOf(task: Task, { options, signal, notice }: RouteRun): Promise<Item[]> {
  const limit = options.limit;
  const items: Item[] = [];
  // Counts without a tokenizer, since each model's tokenizer would select different items.
  const countTokens = (text: string) => Math.ceil(text.length / 4);
  for await (const item of task.items({ seed: options.seed, limit, countTokens, signal, onNotice: notice })) {
    items.push(item);
    if (items.length === limit) return items;
  }
  throw new UserError(`${task.name} has ${items.length} items, but ${limit} are requested; set a smaller --limit`);
}

async function keep({ out, command, version, options }: RouteRun, report: RouteReport): Promise<void> {
  const folder = path.join(out, safe(report.pair.replace(">", "+")));
  makeFolders(folder);
  const provenance = { command, version, machine: machine(), versions: versions(), ...options };
  await writeWhole(path.join(folder, `${safe(report.task)}.json`), `${stringify({ ...report, made: provenance })}\n`);
}
