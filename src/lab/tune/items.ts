import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { isTable } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import type { ChatMessage, PromptForm } from "../../weights/tokenizer/index.ts";
import type { AnswerOf, GenerationItem } from "../item.ts";
import type { Metric } from "../metric.ts";
import { itemHash } from "../run/item-hash.ts";
import { type ItemsFor, overChat } from "../task.ts";
import { drawn } from "../tasks/draw.ts";
import { findTask } from "../tasks/registry.ts";
import { CHAT_TOKENS, lengthFor, type UserPrompt, userPrompts } from "../tasks/user.ts";
import type { TuningItem } from "./problem.ts";

/** A prompt as the server receives it. */
export interface ServedItem extends TuningItem {
  readonly prompt: string | readonly ChatMessage[];
  readonly stop: readonly string[];
  readonly maxTokens: number;
  /** Computes the quality of an answer; absent for prompts without answers. */
  readonly quality?: (answer: AnswerOf["generation"]) => number;
}

/** A metric whose value for one item is in [0, 1]. */
export type ItemMetric = Metric<"generation"> & Required<Pick<Metric<"generation">, "scale">>;

/** The items of a tuning run, all in one prompt format. */
export interface TuningItems {
  readonly task: string;
  readonly items: readonly ServedItem[];
  /** The number of items left out because prompt and answer are longer than the model's context. */
  readonly tooLong: number;
  /** Absent for prompts without answers. */
  readonly metric: ItemMetric | undefined;
  readonly prompt: PromptForm;
}

export interface ItemsRequest extends Pick<ItemsFor, "seed" | "limit" | "signal" | "onNotice" | "onProgress"> {
  /** The maximum number of tokens in an answer; default: the task's, or 128. */
  readonly maxTokens: number | undefined;
}

/** An item before the model's tokens are known. */
interface UntokenizedItem extends Pick<ServedItem, "prompt" | "stop" | "maxTokens"> {
  readonly group: string | undefined;
  /** The question with its answers; absent for prompts without answers. */
  readonly item?: GenerationItem;
}

/**
 * Reads the items of a task: a lab task that generates text, or a user's file, which may have only prompts.
 * @throws UserError if there are no items, or the task does not generate text from text
 */
export async function tuningItems(spec: string, model: LanguageModel, options: ItemsRequest): Promise<TuningItems> {
  const { requests, metrics, task } = isFile(spec)
    ? await fromFile(spec, model, options)
    : await fromTask(spec, model, options);
  const metric = metrics?.find((metric): metric is ItemMetric => metric.scale !== undefined);
  const all = requests.map((each) => servedItem(each, model, metric));
  const { context } = model.decoder.config;
  const items = all.filter(({ tokens, maxTokens }) => tokens + maxTokens <= context);
  if (items.length === 0)
    throw new UserError(
      all.length === 0
        ? `${spec}: there are no items in it`
        : `${spec}: every one of its ${all.length} items is longer than the context of ${model.source.name}`,
    );
  const prompt = model.formOf(items[0]!.prompt)!;
  return { task, items, tooLong: all.length - items.length, metric, prompt };
}

const isFile = (spec: string): boolean => isTable(spec.replace(/,[a-z]+=[^,]*$/, "")) || /[\\/]/.test(spec);

async function fromFile(spec: string, model: LanguageModel, options: ItemsRequest) {
  const { prompts, metrics } = await userPrompts(spec, options);
  const requests = drawn(prompts, options).map((each) => requestOf(each, model, options.maxTokens));
  return { requests, metrics, task: spec };
}

function requestOf(
  { prompt, answers, group }: UserPrompt,
  model: LanguageModel,
  maxTokens: number | undefined,
): UntokenizedItem {
  const countTokens = (text: string) => model.encode(text, true).length;
  const most = maxTokens ?? (answers.length > 0 ? lengthFor(answers, CHAT_TOKENS, countTokens) : CHAT_TOKENS);
  const item = { kind: "generation", id: "", prompt: textOf(prompt), stop: [], maxTokens: most, answers } as const;
  return { prompt, stop: [], maxTokens: most, group, ...(answers.length > 0 && { item }) };
}

async function fromTask(spec: string, model: LanguageModel, options: ItemsRequest) {
  const plainTask = await findTask(spec, options);
  const task = model.formOf("") === "chat" ? (overChat(plainTask) ?? plainTask) : plainTask;
  if (task.kind !== "generation")
    throw new UserError(`${spec}: its items are of the kind ${task.kind}; expected a task that generates text`, 2);
  const countTokens = (text: string) => model.encode(text, true).length;
  const requests: UntokenizedItem[] = [];
  for await (const item of task.items({ ...options, countTokens, tokenizer: model.tokenizer })) {
    if (item.images ?? item.promptTokens ?? item.suffix)
      throw new UserError(`${spec}: its prompts have images, tokens or a suffix; expected texts or turns`, 2);
    const { prompt, messages, stop, maxTokens } = item;
    requests.push({
      prompt: messages ?? prompt,
      stop,
      maxTokens: options.maxTokens ?? maxTokens,
      group: undefined,
      item,
    });
    if (requests.length === options.limit) break;
  }
  return { requests, metrics: task.metrics, task: spec };
}

function servedItem(
  { group, item, ...request }: UntokenizedItem,
  model: LanguageModel,
  metric: ItemMetric | undefined,
): ServedItem {
  const { prompt, stop, maxTokens } = request;
  const text = textOf(prompt);
  const tokens = model.encode(prompt).length;
  // The id is derived from the question, not from the file's id.
  const id = itemHash({ kind: "generation", id: "", prompt: text, stop, maxTokens, answers: item?.answers ?? [] });
  const shared = sha256Of(group ?? text);
  if (item === undefined || metric === undefined) return { ...request, id, group: shared, tokens };
  const quality = (answer: AnswerOf["generation"]) => metric.part(item, answer, answer)[0]!;
  return { ...request, id, group: shared, tokens, quality };
}

/** Eight hash digits per prompt, to identify equal tasks. */
export const promptHashes = (items: readonly ServedItem[]): string[] =>
  items.map(({ prompt }) => sha256Of(textOf(prompt)).slice(0, 8));

/** The prompt as one text. */
const textOf = (prompt: ServedItem["prompt"]): string =>
  typeof prompt === "string" ? prompt : prompt.map(({ role, content }) => `${role}: ${String(content)}`).join("\n\n");
