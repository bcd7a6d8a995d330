import type { PullOptions } from "../weights/sources/plan.ts";
import type { ItemKind, ItemOf } from "./item.ts";
import type { Metric } from "./metric.ts";

/** Converts texts to token ids, without the model's own start token, and ids to text. */
export interface TokenCodec {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/** The parts of a run that a task may use to make items; the task's data may have to be fetched first. */
export interface ItemsFor extends Pick<PullOptions, "signal" | "onNotice" | "onProgress"> {
  readonly seed: number;
  /** The requested number of items: tasks that generate items make this many; other tasks may stop at this number. */
  readonly limit: number | undefined;
  /** Counts a text's tokens for the model under test. Tasks use it if their prompts have a given number of tokens. */
  countTokens(text: string): number;
  /** The tokenizer of a decoder under test, used by tasks that cut items between tokens. */
  readonly tokenizer?: TokenCodec | undefined;
}

export interface TaskOf<K extends ItemKind> {
  /** The name as a user writes it, with options: `needle:tokens=8192`. */
  readonly name: string;
  readonly summary: string;
  readonly kind: K;
  /** The source of the items, for listings. */
  readonly source: string;
  /** The total number of items; undefined if they are generated on demand. */
  readonly size: number | undefined;
  /** The first metric is the task's quality; the other metrics are reported beside it. */
  readonly metrics: readonly [Metric<K>, ...Metric<K>[]];
  /** Items in a fixed order, determined by the seed; a smaller limit takes the first items. @throws UserError */
  items(run: ItemsFor): AsyncIterable<ItemOf<K>>;
  /**
   * The same questions as turns of a chat, for models with a chat template; absent if the questions have only one form.
   */
  readonly chat?: Omit<TaskOf<K>, "chat">;
}

/** One file of `tasks/` and one line of its registry. */
export type Task = { [K in ItemKind]: TaskOf<K> }[ItemKind];

/** The task with its questions as turns of a chat; undefined if the task has only one form. */
export const overChat = (task: Task): Task | undefined =>
  task.chat && ({ ...task, ...task.chat, chat: undefined } as unknown as Task);
