import { existsSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { priceOfRequests } from "../../engine/bill/price.ts";
import { generate, generateOptions } from "../../engine/decode/answer/generate.ts";
import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { openModel } from "../../engine/file/open-model.ts";
import {
  type Aggregate,
  aggregated,
  FLOPS_PER_LOGIT,
  scoreKinds,
  scoreOptions,
  scoresOf,
} from "../../pipelines/scores.ts";
import { parseRow } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { DecoderAnswerer } from "../answer/decoder.ts";
import type { Answer, AnswerOf, ChoiceItem, GenerationItem, Item, ItemKind } from "../item.ts";
import type { Metric } from "../metric.ts";
import { real, stringify } from "../reals.ts";
import { itemHash } from "../run/item-hash.ts";
import type { Task } from "../task.ts";

const cost = z.strictObject({ flops: z.number(), ms: z.number() });

/** One model's answer to one item, with every score that a route could use. */
const itemAnswer = z.strictObject({
  item: z.string(),
  item_hash: z.string(),
  /** From 0 to 1. */
  quality: z.number(),
  /** The whole answer's cost. */
  whole: cost,
  /** The cost of the prompt and its first token. */
  first: cost,
  /**
   * Scores by name: `first/energy`, `min/margin` over an answer's tokens, `choices/softmax` over the choices'
   * log-likelihoods.
   */
  scores: z.record(z.string(), real),
});
export type ItemAnswer = z.output<typeof itemAnswer>;

const AGGREGATES: readonly Aggregate[] = ["first", "mean", "min", "q0.25"];

/** Kinds of score with default options. */
const kinds = scoreKinds.map((score) => scoreOptions.parse({ score }));

/** The file of a model's answers to a task. */
const fileOf = (out: string, model: string, task: string): string =>
  path.join(out, "answers", `${safe(model)}-${safe(task)}.jsonl`);
export const safe = (name: string): string => name.replace(/[^\w.+-]+/g, "-");

/** One model and one task, and the folder for its answers. */
export interface Answering {
  readonly source: ResolvedModel;
  readonly task: Task;
  readonly items: readonly Item[];
  readonly out: string;
  readonly signal?: AbortSignal | undefined;
  readonly onItem?: ((done: number, of: number) => void) | undefined;
}

/**
 * The answers to all items, in order: existing answers from the folder, and new answers, each written as it arrives.
 * @throws UserError
 */
export async function answersTo({ source, task, items, out, signal, onItem }: Answering): Promise<ItemAnswer[]> {
  const file = fileOf(out, source.name, task.name);
  makeFolders(path.dirname(file));
  const held = await heldIn(file, items);
  const missing = items.filter(({ id }) => !held.has(id));
  if (missing.length === 0) return items.map(({ id }) => held.get(id)!);
  using model = await openModel(source, [], "auto");
  if (model.kind !== "decoder") throw new UserError(`${source.name} cannot generate text; both models of a route must`);
  using answerer = await DecoderAnswerer.open(model, [], undefined);
  for (const item of missing) {
    const answer = await answered(model, answerer, task, item, signal);
    held.set(item.id, answer);
    await appendFile(file, `${stringify(answer)}\n`);
    onItem?.(held.size, items.length);
  }
  return items.map(({ id }) => held.get(id)!);
}

async function heldIn(file: string, items: readonly Item[]): Promise<Map<string, ItemAnswer>> {
  const held = new Map<string, ItemAnswer>();
  if (!existsSync(file)) return held;
  const hashes = new Map(items.map((item) => [item.id, itemHash(item)]));
  for await (const row of rowsOf(file)) {
    const answer = parseRow(itemAnswer, row);
    if (hashes.get(answer.item) === answer.item_hash) held.set(answer.item, answer);
  }
  return held;
}

async function answered(
  model: LanguageModel,
  answerer: DecoderAnswerer,
  task: Task,
  item: Item,
  signal: AbortSignal | undefined,
): Promise<ItemAnswer> {
  const known = { item: item.id, item_hash: itemHash(item) };
  if (item.kind === "choice") return { ...known, ...(await chosen(model, answerer, task, item, signal)) };
  if (item.kind === "generation") return { ...known, ...(await generated(model, task, item, signal)) };
  throw new UserError(`${task.name}: a route needs items with choices or with text to generate, got ${item.kind}`);
}

type AnswerFields = Omit<ItemAnswer, "item" | "item_hash">;

/** Answers by likelihood. Scores come from the choices, and from the logits after the first choice's context. */
async function chosen(
  model: LanguageModel,
  answerer: DecoderAnswerer,
  task: Task,
  item: ChoiceItem,
  signal: AbortSignal | undefined,
): Promise<AnswerFields> {
  const plan = answerer.plan(item);
  if (!plan) throw new UserError(`${task.name}: item "${item.id}" is longer than the model's context`);
  const ids = model.encode(item.choices[0]!.context.trimEnd(), true);
  const first = await timed(() => tokens(model, ids, { maxTokens: 1, stop: [] }, signal));
  model.engine.forget();
  const { value, ms } = await timed(() => plan(signal));
  const logits = (value.answer as AnswerOf["choice"]).likelihoods.map((l) => l.logLikelihood);
  const scores = {
    ...ways("choices", [scoresOf(logits, kinds)]),
    ...ways("first", first.value.scored),
  };
  const flops = priceOfRequests(model.engine.programs, [{ context: ids, continuations: [[0]] }]) + first.value.scoring;
  return {
    quality: qualityOf(task, item, value.answer),
    ...{ whole: { flops: value.flops.spent, ms }, first: { flops, ms: first.ms }, scores },
  };
}

/** Answers by generating text. Scores cover the text's tokens. */
async function generated(
  model: LanguageModel,
  task: Task,
  item: GenerationItem,
  signal: AbortSignal | undefined,
): Promise<AnswerFields> {
  const ids = item.messages ? model.encode(item.messages) : model.encode(item.prompt, true);
  model.engine.forget();
  const { value, ms } = await timed(() => tokens(model, ids, item, signal));
  const { scored, text, spent, prefill, scoring } = value;
  const each = scored.length === 0 ? 0 : scoring / scored.length;
  const flops = priceOfRequests(model.engine.programs, [{ context: ids, continuations: [[0]] }]) + each;
  return {
    quality: qualityOf(task, item, { text }),
    ...{ whole: { flops: spent + scoring, ms }, first: { flops, ms: prefill } },
    scores: Object.assign({}, ...AGGREGATES.map((how) => ways(how, scored))),
  };
}

/** Scores of tokens (a row per token, a column per kind) as one number per kind. */
const ways = (how: Aggregate | "choices", scored: readonly (readonly number[])[]): Record<string, number> =>
  Object.fromEntries(
    kinds.map(({ score }, k) => {
      const column = scored.map((row) => row[k]!);
      return [`${how}/${score}`, aggregated(column, how === "choices" ? "first" : how)];
    }),
  );

/** Generates greedily after a prompt, alone in the batch, and rates each token by every score. */
async function tokens(
  { engine, tokenizer }: LanguageModel,
  prompt: readonly number[],
  { maxTokens, stop }: Pick<GenerationItem, "maxTokens" | "stop">,
  signal: AbortSignal | undefined,
) {
  const scored: number[][] = [];
  let [text, scoring] = ["", 0];
  const observe = (logits: Float32Array) => {
    scored.push(scoresOf(logits, kinds));
    scoring += FLOPS_PER_LOGIT * logits.length;
  };
  const options = { ...generateOptions.parse({ maxTokens, stop: [...stop], repetitionDetection: false }), observe };
  for await (const piece of generate(engine, tokenizer, prompt, options, { signal, alone: true })) {
    text += piece.text;
    if (piece.finish) {
      const { flops, ms } = piece.finish.usage;
      return { scored, text, spent: flops.spent, prefill: ms.prefill, scoring };
    }
  }
  throw new Error("an answer ended without its cost");
}

async function timed<T>(run: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const started = performance.now();
  const value = await run();
  return { value, ms: performance.now() - started };
}

/** Judges an answer by the task's first metric, which must yield one number for each item. */
function qualityOf(task: Task, item: Item, answer: Answer): number {
  // A task's metrics match its items' kind.
  const { part, quality } = task.metrics[0] as Metric<ItemKind>;
  return quality([part(item, answer, answer)]);
}
