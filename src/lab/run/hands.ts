import type { Recipe } from "../../savings/recipe.ts";
import { type Answered, type Answerer, openAnswerer, type Setting } from "../answer/index.ts";
import type { Item } from "../item.ts";

/** An answered item, and the milliseconds that it took the model. */
export interface Done extends Answered {
  readonly item: Item;
  readonly ms: number;
}

/** Who answers items: this process, or the workers of a queue. */
export interface Hands {
  /** Answers each item once, in any order. @throws UserError; an AbortError when `signal` stopped it */
  answer(recipe: Recipe, items: readonly Item[], signal?: AbortSignal): AsyncIterable<Done>;
  close(): Promise<void>;
}

/** Answers items one after the other in this process. The dense model may be open already. */
export class OwnHands implements Hands {
  constructor(
    private readonly setting: Omit<Setting, "recipe">,
    private readonly dense: Answerer,
  ) {}

  async *answer(recipe: Recipe, items: readonly Item[], signal?: AbortSignal): AsyncGenerator<Done> {
    if (recipe.length === 0) return yield* answerAll(this.dense, items, signal);
    using answerer = await openAnswerer({ ...this.setting, recipe });
    yield* answerAll(answerer, items, signal);
  }

  async close(): Promise<void> {}
}

async function* answerAll(answerer: Answerer, items: readonly Item[], signal?: AbortSignal): AsyncGenerator<Done> {
  for (const item of items) {
    signal?.throwIfAborted();
    const started = performance.now();
    const answered = await answerer.plan(item)!(signal);
    yield { item, ...answered, ms: performance.now() - started };
  }
}
