import type { RankingItem } from "../../src/lab/item.ts";
import type { ItemsFor } from "../../src/lab/task.ts";
import { findTask } from "../../src/lab/tasks/registry.ts";

/** Cranfield's queries that the lab draws first with seed 0: they are judged on. */
export const HELD_OUT = 75;

/** Cranfield's documents without their queries' sources, and its queries that are not held out. */
export interface CranfieldQueries {
  readonly documents: RankingItem["documents"];
  readonly queries: readonly RankingItem[];
}

/** Reads Cranfield to train on. */
export async function cranfieldQueries(folder: string, run: ItemsFor): Promise<CranfieldQueries> {
  const items: RankingItem[] = [];
  for await (const item of (await findTask(`cranfield:${folder},source=drop`)).items(run))
    items.push(item as RankingItem);
  return { documents: items[0]!.documents, queries: items.slice(HELD_OUT) };
}
