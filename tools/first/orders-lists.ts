import type { RankingItem } from "../../src/lab/item.ts";
import { findTask } from "../../src/lab/tasks/registry.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

const [QUERIES, DOCUMENTS, RUN, TOP] = [25, 6, "docs/results/first/runs/bm25.run", 20];

/** A list of six documents for a query, at least one of which answers it. */
export type List = RankingItem;
export const kinds = ["drawn", "found"] as const;

async function items(spec: string, limit: number) {
  const found: RankingItem[] = [];
  for await (const item of (await findTask(spec)).items({ seed: 0, limit, countTokens: () => 0 }))
    found.push(item as RankingItem);
  return found;
}
export async function listsOf(kind: (typeof kinds)[number], folder: string): Promise<List[]> {
  const candidates = kind === "found" ? `,candidates=${RUN},top=${TOP}` : "";
  const all = await items(`cranfield:${folder},words=64,source=drop${candidates}`, 75);
  const lists = all.flatMap((item) => {
    const isRelevant = ({ id }: { id: string }) => (item.relevance[id] ?? 0) > 0;
    const random = seededRandom(Number(item.id));
    const mixed = shuffle([...item.documents], random);
    const one = mixed.find(isRelevant);
    if (!one) return [];
    const others = mixed.filter((d) => d !== one).slice(0, DOCUMENTS - 1);
    return [{ ...item, documents: [one, ...others] }];
  });
  return lists.slice(0, QUERIES);
}
