import type { NamedRank } from "../../pipelines/rank-pipeline.ts";
import type { NamedText } from "../../pipelines/text-pipeline.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { adapterHash } from "../../weights/adapter/record.ts";
import { chosenBits, quantHere } from "../../weights/prepared/tuning.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { modelHash, preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { type Answerer, type Answering, openAnswering } from "../answer/index.ts";
import type { Answer, Item } from "../item.ts";
import { withReals } from "../reals.ts";
import { type Result, resultSchema } from "../results.ts";
import { type ItemsFor, overChat, type Task } from "../task.ts";
import type { Executor, ItemRun } from "./executor.ts";
import type { Identity } from "./folder.ts";
import { hashOf, itemHash } from "./item-hash.ts";
import { parts } from "./judge.ts";
import { LinesFile } from "./lines-file.ts";
import type { RunOptions } from "./options.ts";
import { requireOwn } from "./own-results.ts";
import { type FileHashes, fileHashes, requireUnchanged } from "./recipe-files.ts";

export interface Cell {
  readonly task: Task;
  readonly source: ResolvedModel;
  readonly quant: Quant;
  readonly options: RunOptions;
  /** The folder of a LoRA adapter for every item. */
  readonly adapter?: string | undefined;
  /** The listwise reranker to load. */
  readonly first?: NamedRank | undefined;
  /** The pipeline to load; the model is its dense baseline. */
  readonly pipeline?: NamedText | undefined;
}

/** The options for fetching a task's data. */
export type Fetching = Pick<ItemsFor, "signal" | "onNotice" | "onProgress">;

export interface KnownCell extends Cell {
  readonly identity: Identity;
  /** The items that fit the model's context. */
  readonly items: readonly Item[];
  readonly tooLong: number;
  /** Texts that the model cuts at their ends. */
  readonly cutTexts: number;
}

/** A cell's model, loaded once for all recipes. */
interface LoadedCell {
  readonly model: Answering;
  readonly dense: Answerer;
}

/** A cell with its items and its loaded model. */
export interface OpenCell extends KnownCell, LoadedCell, Disposable {}

export const reopenCell = async (cell: KnownCell): Promise<OpenCell> => opened(cell, await loadedOf(cell));

async function loadedOf({ options: { truncate }, ...cell }: Cell): Promise<LoadedCell> {
  const model = await openAnswering({ ...cell, truncate });
  return { model, dense: await model.under([]) };
}

const opened = (cell: KnownCell, loaded: LoadedCell): OpenCell => ({
  ...cell,
  ...loaded,
  [Symbol.dispose]: () => free(loaded),
});

function free({ model, dense }: LoadedCell): void {
  dense[Symbol.dispose]();
  model[Symbol.dispose]();
}

/** Loads the model and reads the items. @throws UserError if there are no items, or the model cannot answer them */
export async function openCell(request: Cell, fetching: Fetching = {}): Promise<OpenCell> {
  const loaded = await loadedOf(request);
  const { dense } = loaded;
  try {
    const cell = { ...request, task: inForm(request, dense) };
    const { task, source, quant, options } = cell;
    const all = await itemsOf(cell, dense, fetching);
    const items = all.filter((item) => dense.plan(item) !== undefined);
    const identity: Identity = {
      task: task.name,
      ...{ model: (cell.first ?? cell.pipeline ?? source).name, model_hash: await modelHash(source) },
      quant: quantHere(source, quant),
      codes: chosenBits(preparedFolder(source.path)),
      ...{ seed: options.seed, limit: options.limit ?? null, truncate: options.truncate ?? null },
      ...{ prompt: formOf(all, dense), adapter: cell.adapter && adapterHash(cell.adapter) },
      rows: task.kind === "generation" ? options.rows : 1,
      ...{ items: all.length, items_hash: hashOf(all) },
    };
    const tooLong = all.length - items.length;
    if (items.length === 0)
      throw new UserError(
        `${task.name}: every one of its ${all.length} items is longer than the context of ${source.name}; --truncate left|middle cuts them`,
      );
    const cutTexts = dense.cutTexts?.(items) ?? 0;
    return opened({ ...cell, identity, items, tooLong, cutTexts }, loaded);
  } catch (error) {
    free(loaded);
    throw error;
  }
}

/** The task in the model's prompt format for a user's text, since the lab measures what `run` and `serve` do. */
function inForm({ task, options }: Cell, dense: Answerer): Task {
  return !options.raw && dense.formOf?.("") === "chat" ? (overChat(task) ?? task) : task;
}

/** A run's prompt format, which all items of a task share. */
function formOf(items: readonly Item[], dense: Answerer): Identity["prompt"] {
  const first = items.find((item) => item.kind === "generation");
  if (first === undefined) return "scored";
  return first.messages === undefined ? "raw" : dense.formOf?.(first.messages);
}

/** @throws UserError if there are no items, or two share an id */
async function itemsOf({ task, options }: Cell, dense: Answerer, fetching: Fetching): Promise<Item[]> {
  const { seed, limit } = options;
  const items = new Map<string, Item>();
  const countTokens = (text: string) => dense.countTokens(text);
  for await (const item of task.items({ seed, limit, countTokens, tokenizer: dense.tokenizer, ...fetching })) {
    if (options.raw && item.kind === "generation" && item.messages)
      throw new UserError(`--raw sends prompts as plain text, but item "${item.id}" of ${task.name} has messages`, 2);
    if (items.has(item.id)) throw new UserError(`${task.name}: two items have the id "${item.id}"`);
    items.set(item.id, item);
    if (items.size === limit) break;
  }
  if (items.size === 0) throw new UserError(`${task.name} has no items`);
  return [...items.values()];
}

/** A recipe as written in results: savings in order, separated by spaces; `dense` for an empty recipe. */
export const recipeText = (recipe: Recipe): string => recipe.map((step) => step.text).join(" ") || "dense";

/** Groups items to answer together, always in the same way, since an answer may depend on its neighbours. */
const grouped = ({ items, identity: { rows } }: OpenCell): (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / rows) }, (_, i) => items.slice(i * rows, (i + 1) * rows));

/** Called for every answered item. */
export type OnResult = (result: Result, done: number, of: number) => void;

/** A cell's results: stored in its file, and in memory by recipe and item. */
export class CellResults {
  readonly #known = new Map<string, Map<string, Result>>();

  private constructor(
    private readonly cell: OpenCell,
    private readonly file: LinesFile<Result>,
    held: readonly Result[],
  ) {
    for (const result of held) this.#keep(result);
  }

  /** @throws UserError if the file holds anything but the cell's results */
  static async open(cell: OpenCell, path: string): Promise<CellResults> {
    const { file, lines: results } = await LinesFile.open(path, resultSchema, (held) => requireOwn(path, held, cell));
    return new CellResults(cell, file, results);
  }

  #keep(result: Result): void {
    const known = this.#known.get(result.recipe) ?? new Map<string, Result>();
    known.set(result.item, result);
    this.#known.set(result.recipe, known);
  }

  /** Answers every group that has unanswered items under the recipe; dense must be complete first. */
  async complete(recipe: Recipe, items: readonly Item[], executor: Executor, on: OnResult, signal?: AbortSignal) {
    const text = recipeText(recipe);
    const files = await this.#sameFiles(recipe);
    const waits = (item: Item) => !this.#known.get(text)?.has(item.id);
    const waiting = new Set(items.filter(waits));
    if (waiting.size === 0) return;
    const groups = grouped(this.cell).filter((group) => group.some((item) => waiting.has(item)));
    const of = items.length - waiting.size + groups.flat().filter(waits).length;
    let done = items.length - waiting.size;
    for await (const answered of executor.answer(recipe, groups, signal)) {
      // A run that was killed may have stored part of a group.
      if (!waits(answered.item)) continue;
      const result = this.#judged(text, files, answered);
      await this.file.add(result);
      this.#keep(result);
      on(result, ++done, of);
    }
  }

  /** Hashes of the recipe's files. @throws UserError if stored results were made with different contents */
  async #sameFiles(recipe: Recipe): Promise<FileHashes> {
    const files = await fileHashes(recipe);
    requireUnchanged(this.file.path, files, [...(this.#known.get(recipeText(recipe))?.values() ?? [])]);
    return files;
  }

  #judged(recipe: string, files: FileHashes, { item, answer, ...took }: ItemRun): Result {
    const base = recipe === "dense" ? answer : withReals(this.#known.get("dense")!.get(item.id)!.answer as Answer);
    const judged = parts(this.cell.task, item, answer, base);
    const named = Object.keys(files).length > 0 && { files };
    const fields = { item: item.id, item_hash: itemHash(item), recipe, ...named };
    return { ...fields, answer: answer as Result["answer"], parts: judged, ...took };
  }

  /** The results of items that are already answered. */
  held(recipe: string, items: readonly Item[]): Result[] {
    return items.flatMap(({ id }) => this.#known.get(recipe)?.get(id) ?? []);
  }

  /** Results in the order of the items. */
  of(recipe: string, items: readonly Item[] = this.cell.items): Result[] {
    const known = this.#known.get(recipe);
    return items.map((item) => known!.get(item.id)!);
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
