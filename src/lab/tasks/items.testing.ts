import type { Item } from "../item.ts";
import type { ItemsFor, TaskOf } from "../task.ts";

/** One token for every four letters of a word, and at least one: close to byte-pair encodings. */
export const countTokens = (text: string): number =>
  text.split(/\s+/).reduce((sum, word) => sum + Math.ceil(word.length / 4), 0);

/** A task's items, with seed 0 by default. */
export async function allItems<K extends Item["kind"]>(
  task: TaskOf<K>,
  run: Partial<ItemsFor> = {},
): Promise<Extract<Item, { kind: K }>[]> {
  const items: Extract<Item, { kind: K }>[] = [];
  for await (const item of task.items({ seed: 0, limit: undefined, countTokens, ...run })) items.push(item);
  return items;
}
