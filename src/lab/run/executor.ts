import type { Recipe } from "../../savings/recipe.ts";
import type { Answerer, Answering, Reply } from "../answer/index.ts";
import type { Item } from "../item.ts";

/** An answered item, and the milliseconds that the model took. */
export interface ItemRun extends Reply {
  readonly item: Item;
  readonly ms: number;
}

/** Answers items in this process, or through the workers of a queue. */
export interface Executor extends AsyncDisposable {
  /**
   * Answers each item once, a group's items together, in any order.
   * @throws UserError; an AbortError if `signal` stopped it
   */
  answer(recipe: Recipe, groups: readonly (readonly Item[])[], signal?: AbortSignal): AsyncIterable<ItemRun>;
}

/** Answers groups one after another in this process, with one loaded model for all recipes. */
export class LocalExecutor implements Executor {
  constructor(
    private readonly model: Answering,
    private readonly dense: Answerer,
  ) {}

  async *answer(recipe: Recipe, groups: readonly (readonly Item[])[], signal?: AbortSignal): AsyncGenerator<ItemRun> {
    if (recipe.length === 0) return yield* answerAll(this.dense, groups, signal);
    using answerer = await this.model.under(recipe);
    yield* answerAll(answerer, groups, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function* answerAll(
  answerer: Answerer,
  groups: readonly (readonly Item[])[],
  signal?: AbortSignal,
): AsyncGenerator<ItemRun> {
  for (const group of groups) {
    signal?.throwIfAborted();
    yield* await answerGroup(answerer, group, signal);
  }
}

/**
 * Answers items that fit the context, in one batch if the model supports it, and divides the time among them. The time
 * excludes work shared with other groups.
 */
export async function answerGroup(
  answerer: Answerer,
  items: readonly Item[],
  signal?: AbortSignal,
): Promise<readonly ItemRun[]> {
  for (const item of items) await answerer.prepare?.(item, signal);
  const started = performance.now();
  const answers: Reply[] = [];
  if (items.length > 1 && answerer.together) answers.push(...(await answerer.together(items, signal)));
  else for (const item of items) answers.push(await answerer.plan(item)!(signal));
  const ms = (performance.now() - started) / items.length;
  return answers.map((answered, i) => ({ item: items[i]!, ...answered, ms }));
}
