import { expect, test } from "vitest";
import { median } from "../../util/median.ts";
import { seededRandom } from "../../util/random.ts";
import type { Answers, TuningItem } from "./problem.ts";
import { race } from "./race.ts";
import { testOf } from "./sequence.ts";
import { grouped } from "./split.ts";

const items = Array.from(
  { length: 30 },
  (_, i): TuningItem => ({ id: `${i}`, group: `${i % 10}`, tokens: i < 15 ? 10 : 100 }),
);
const order = grouped(items).flat();

/** Answers that record the last announced items and recipes before each answer. */
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

test("a race announces before each item the next ones, under the remaining recipes", async () => {
  const candidates = ["mild", "bold"].map((recipe, boldness) => ({ recipe, family: "one", boldness }));
  const { seen, answers } = noting((recipe) => (recipe === "bold" ? 1 : 0));
  await race({ type: "unit", bound: { risk: 0.05, confidence: 0.95 } }, candidates, items, answers);
  expect(seen.map(({ item }) => item)).toEqual(order.map(({ id }) => id));
  expect(seen.every(({ item, next }) => item === next)).toBe(true);
  expect(seen[0]!.recipes).toEqual(["mild", "bold"]);
  expect(seen.at(-1)!.recipes).toEqual(["mild"]);
});

/** The number of items that each of 200 candidates survives in a race, given its probability of a loss. */
async function stays(chance: number): Promise<number[]> {
  const random = seededRandom(0);
  const many = Array.from({ length: 270 }, (_, i): TuningItem => ({ id: `${i}`, group: `${i}`, tokens: 10 }));
  const candidates = Array.from({ length: 200 }, (_, i) => ({ recipe: `${i}`, family: `${i}`, boldness: 0 }));
  const stayed = new Map(candidates.map(({ recipe }) => [recipe, 0]));
  await race({ type: "binary", bound: { risk: 0.02, confidence: 0.95 } }, candidates, many, {
    async lossOf(recipe) {
      stayed.set(recipe, stayed.get(recipe)! + 1);
      return random() < chance ? 1 : 0;
    },
  });
  return [...stayed.values()];
}

test("a candidate at the risk is rarely dropped, a bold one soon", async () => {
  const atRisk = (await stays(0.02)).filter((items) => items < 270).length;
  expect(atRisk / 200).toBeLessThan(0.1 + 3 * Math.sqrt((0.1 * 0.9) / 200));
  expect(median(await stays(0.3))).toBeLessThan(20);
});

test("one early loss drops no candidate", async () => {
  const candidates = [{ recipe: "mild", family: "one", boldness: 0 }];
  const { answers } = noting(() => 0);
  let first = true;
  const lossOf = async () => {
    const loss = first ? 1 : 0;
    first = false;
    return loss;
  };
  const raced = await race({ type: "unit", bound: { risk: 0.02, confidence: 0.95 } }, candidates, order, {
    ...answers,
    lossOf,
  });
  expect([...raced.keys()]).toEqual(candidates);
});

test("a loss of NaN ends a candidate's race", async () => {
  const candidates = [{ recipe: "broken", family: "one", boldness: 0 }];
  const { answers } = noting(() => Number.NaN);
  const raced = await race({ type: "unit", bound: { risk: 0.02, confidence: 0.95 } }, candidates, order, answers);
  expect(raced.size).toBe(0);
});

test("a test also announces them, with the recipes of each length", async () => {
  const ladder = [
    { tokens: [0, 50], rungs: ["short", "dense"] },
    { tokens: [51, 1000], rungs: ["long", "dense"] },
  ] as const;
  const { seen, answers } = noting(() => 0);
  await testOf(ladder, items, { type: "unit", bound: { risk: 0.5, confidence: 0.5 } }, answers);
  expect(seen.map(({ item, next }) => [item, next])).toEqual(order.map(({ id }) => [id, id]));
  for (const { item, recipes } of seen) expect(recipes).toEqual([Number(item) < 15 ? "short" : "long"]);
});
