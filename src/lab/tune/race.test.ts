import { expect, test } from "vitest";
import type { Answers, TuningItem } from "./problem.ts";
import { race } from "./race.ts";
import { testOf } from "./sequence.ts";
import { grouped } from "./split.ts";

const items = Array.from(
  { length: 30 },
  (_, i): TuningItem => ({ id: `${i}`, group: `${i % 10}`, tokens: i < 15 ? 10 : 100 }),
);
const order = grouped(items).flat();

/** Answers that note which items and recipes were announced last before each answer. */
function noting(lossOf: (recipe: string) => number) {
  const seen: { readonly item: string; readonly next: string | undefined; readonly recipes: readonly string[] }[] = [];
  let announced: { items: readonly TuningItem[]; recipesOf: (item: TuningItem) => readonly string[] } | undefined;
  const answers: Pick<Answers, "lossOf" | "answer" | "announce"> = {
    lossOf: async (recipe) => lossOf(recipe),
    announce(items, recipesOf) {
      announced = { items, recipesOf };
    },
    async answer(recipes, item) {
      const [next] = announced!.items;
      seen.push({ item: item.id, next: next?.id, recipes: announced!.recipesOf(item) });
      expect(announced!.recipesOf(item)).toEqual(recipes);
    },
  };
  return { seen, answers };
}

test("a race says before each item which come next, under the recipes that remain", async () => {
  const candidates = ["mild", "bold"].map((recipe, boldness) => ({ recipe, family: "one", boldness }));
  const { seen, answers } = noting((recipe) => (recipe === "bold" ? 1 : 0));
  await race({ type: "unit", bound: { risk: 0.05, confidence: 0.95 } }, candidates, items, answers);
  expect(seen.map(({ item }) => item)).toEqual(order.map(({ id }) => id));
  expect(seen.every(({ item, next }) => item === next)).toBe(true);
  expect(seen[0]!.recipes).toEqual(["mild", "bold"]);
  expect(seen.at(-1)!.recipes).toEqual(["mild"]);
});

test("a test says so, too, with the recipes of each length", async () => {
  const ladder = [
    { tokens: [0, 50], rungs: ["short", "dense"] },
    { tokens: [51, 1000], rungs: ["long", "dense"] },
  ] as const;
  const { seen, answers } = noting(() => 0);
  await testOf(ladder, items, { type: "unit", bound: { risk: 0.5, confidence: 0.5 } }, answers);
  expect(seen.map(({ item, next }) => [item, next])).toEqual(order.map(({ id }) => [id, id]));
  for (const { item, recipes } of seen) expect(recipes).toEqual([Number(item) < 15 ? "short" : "long"]);
});
