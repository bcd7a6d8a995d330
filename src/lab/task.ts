import type { PullOptions } from "../weights/sources/plan.ts";
import type { ItemKind, ItemOf } from "./item.ts";
import type { Metric } from "./metric.ts";

/** Token ids of a text, without the model's own beginning token, and the text of ids. */
export interface TokenCodec {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/** The parts of a run that a task may use to make items; its data may have to be fetched first. */
export interface ItemsFor extends Pick<PullOptions, "signal" | "onNotice" | "onProgress"> {
  readonly seed: number;
  /** The wanted number of items; a task that makes its items makes this many, one that reads them may stop there. */
  readonly limit: number | undefined;
  /** Tokens of a text in the model under test; for tasks that fill a length. */
  countTokens(text: string): number;
  /** The tokenizer of a decoder under test; for tasks whose items are cut between tokens. */
  readonly tokenizer?: TokenCodec | undefined;
}

export interface TaskOf<K extends ItemKind> {
  /** The name as a user writes it, with options: `needle:tokens=8192`. */
  readonly name: string;
  readonly summary: string;
  readonly kind: K;
  /** The source of the items, as a person would look it up. */
  readonly source: string;
  /** The number of items in all; undefined if they are made to measure. */
  readonly size: number | undefined;
  /** The first one is the task's quality; the others are reported beside it. */
  readonly metrics: readonly [Metric<K>, ...Metric<K>[]];
  /** Items in a fixed order, the same for the same seed; fewer are the first ones of more. @throws UserError */
  items(run: ItemsFor): AsyncIterable<ItemOf<K>>;
  /** The same questions as turns of a chat, for models with a chat template; absent: they are asked in one form. */
  readonly chat?: Omit<TaskOf<K>, "chat">;
}

/** One file of `tasks/` and one line of its registry. */
export type Task = { [K in ItemKind]: TaskOf<K> }[ItemKind];

/** The task whose questions are turns of a chat; undefined if it asks in one form alone. */
export const overChat = (task: Task): Task | undefined =>
  task.chat && ({ ...task, ...task.chat, chat: undefined } as unknown as Task);
