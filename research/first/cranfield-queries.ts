import { type ItemOf, itemsOf } from "../common/tasks.ts";

/** The number of Cranfield's queries that are held out: the first that the lab draws with seed 0. */
export const HELD_OUT = 75;

/** Cranfield's documents without their queries' sources, and its queries that are not held out. */
export interface CranfieldQueries {
  readonly documents: ItemOf<"ranking">["documents"];
  readonly queries: readonly ItemOf<"ranking">[];
}

/** Reads Cranfield to train on. */
export async function cranfieldQueries(folder: string): Promise<CranfieldQueries> {
  const items: ItemOf<"ranking">[] = [];
  for await (const item of itemsOf("ranking", `cranfield:${folder},source=drop`)) items.push(item);
  return { documents: items[0]!.documents, queries: items.slice(HELD_OUT) };
}
