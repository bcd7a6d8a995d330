import { rm } from "node:fs/promises";
import path from "node:path";
import { recipeFromValues } from "../../savings/recipe.ts";
import type { TrainOptions } from "../../train/options.ts";
import type { ScoredTask, TaskScore, TaskScorer, WrittenModel } from "../../train/session/tasks.ts";
import { UserError } from "../../util/errors.ts";
import { variantOf } from "../../weights/adapter/lora.ts";
import { preparedFolder, type ResolveOptions, resolveModel } from "../../weights/sources/index.ts";
import { type Answerer, openAnswering } from "../answer/index.ts";
import type { Item } from "../item.ts";
import { answerGroup } from "../run/executor.ts";
import { metricsOf, parts } from "../run/judge.ts";
import { type ItemsFor, overChat, type Task } from "../task.ts";
import { findTask } from "../tasks/registry.ts";

interface FoundTask extends ScoredTask {
  readonly task: Task;
}

/** A task's items, and how they are judged. */
interface Questions {
  readonly task: Task;
  readonly items: readonly Item[];
}

interface OpenTask extends FoundTask {
  readonly plain: Questions;
  /** The task's chat form, for models that read a user's text as a chat. */
  readonly chat: Questions | undefined;
}

/** Finds tasks that can score a model in training. @throws UserError */
export async function findTasks(names: readonly string[], resolving: ResolveOptions): Promise<FoundTask[]> {
  const tasks: FoundTask[] = [];
  for (const name of names) tasks.push(await foundTask(name, resolving));
  return tasks;
}

/** Reads lab tasks for scoring a model repeatedly on the same items during training. @throws UserError */
export async function openTasks(
  { tasks, taskLimit }: Pick<TrainOptions, "tasks" | "taskLimit">,
  countTokens: ItemsFor["countTokens"],
  resolving: ResolveOptions,
): Promise<TaskScorer> {
  const run: ItemsFor = { ...resolving, seed: 0, limit: taskLimit, countTokens };
  const open: OpenTask[] = [];
  for (const found of await findTasks(tasks, resolving)) {
    const chats = overChat(found.task);
    open.push({ ...found, plain: await questionsOf(found.task, run), chat: chats && (await questionsOf(chats, run)) });
  }
  return { tasks: open, score: (model, signal) => scored(open, model, resolving, signal) };
}

async function foundTask(name: string, resolving: ResolveOptions): Promise<FoundTask> {
  const task = await findTask(name, resolving);
  if (name.startsWith("consistency:"))
    throw new UserError(`tasks: ${name} compares recipes; expected a task that has correct answers`, 2);
  return { name, better: metricsOf(task)[0]!.better, task };
}

async function questionsOf(task: Task, run: ItemsFor): Promise<Questions> {
  const items: Item[] = [];
  for await (const item of task.items(run)) if (items.push(item) === run.limit) break;
  if (items.length === 0) throw new UserError(`${task.name} has no items`);
  return { task, items };
}

/** Loads the model once, and deletes its prepared files. */
async function scored(
  tasks: readonly OpenTask[],
  { folder, base, saving, quant }: WrittenModel,
  resolving: ResolveOptions,
  signal?: AbortSignal,
): Promise<Record<string, TaskScore>> {
  const source = await resolveModel(base ?? folder, resolving);
  const adapter = base === undefined || saving ? undefined : folder;
  const prepared = path.join(preparedFolder(source.path), adapter === undefined ? "" : variantOf(adapter));
  try {
    using model = await openAnswering({ source, quant, truncate: undefined, adapter });
    using answerer = await model.under(recipeFromValues(saving ? [saving] : [], folder));
    const scores: Record<string, TaskScore> = {};
    for (const task of tasks) scores[task.name] = await scoreOf(task, answerer, signal);
    return scores;
  } finally {
    // A trained saving is scored on the user's own model, whose prepared weights are kept.
    if (!saving) await rm(prepared, { recursive: true, force: true });
  }
}

async function scoreOf({ name, plain, chat }: OpenTask, answerer: Answerer, signal?: AbortSignal): Promise<TaskScore> {
  const { task, items } = answerer.formOf?.("") === "chat" && chat ? chat : plain;
  const fitting = items.filter((item) => answerer.plan(item) !== undefined);
  if (fitting.length === 0) throw new UserError(`${name}: every one of its items is longer than the model's context`);
  const metric = metricsOf(task)[0]!;
  let flops = 0;
  const all: (readonly number[])[] = [];
  for (const item of fitting) {
    const [done] = await answerGroup(answerer, [item], signal);
    all.push(parts(task, item, done!.answer, done!.answer)[metric.name]!);
    flops += done!.flops.spent;
  }
  return { quality: metric.quality(all), flops };
}
