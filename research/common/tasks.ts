import { findTask, type Task } from "../../src/index-lab.ts";

type Kind = Task["kind"];
export type TaskOf<K extends Kind> = Extract<Task, { readonly kind: K }>;
export type ItemOf<K extends Kind> = TaskOf<K> extends { items(run: never): AsyncIterable<infer Item> } ? Item : never;

/** Options of a task's `items`. */
export type ItemsFor = Parameters<Task["items"]>[0];

/** All of a task's items, for tasks that count no tokens. */
export const everyItem: ItemsFor = { seed: 0, limit: undefined, countTokens: () => 0 };

/** The lab's task of that name and options. @throws Error if its items are of another kind */
export async function taskOf<K extends Kind>(kind: K, spec: string): Promise<TaskOf<K>> {
  const task = await findTask(spec);
  if (task.kind !== kind) throw new Error(`${spec} has items of the kind ${task.kind}, expected ${kind}`);
  return task as TaskOf<K>;
}

/** A task's items in the lab's order. */
export async function* itemsOf<K extends Kind>(kind: K, spec: string, run = everyItem): AsyncGenerator<ItemOf<K>> {
  const task = await taskOf(kind, spec);
  yield* task.items(run) as AsyncIterable<ItemOf<K>>;
}
