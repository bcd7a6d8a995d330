import { describe, expect, test } from "vitest";
import type { Answers, Candidate, TuningItem } from "./problem.ts";
import { race } from "./race.ts";
import { broken, simulate, worlds } from "./simulation.testing.ts";
import { split } from "./split.ts";
import { tune } from "./tune.ts";

const bound = (risk: number, confidence = 0.95) => ({ risk, confidence });
const items = (count: number, groupOf = (i: number) => `${i}`): TuningItem[] =>
  Array.from({ length: count }, (_, i) => ({ id: `${i}`, group: groupOf(i), tokens: 100 + (i % 7) }));

describe("the parts", () => {
  test("of 200 items with losses between 0 and 1, 134 are tested", () => {
    const parts = split(items(200), "unit", bound(0.05));
    expect([parts.search.length, parts.test.length]).toEqual([66, 134]);
  });

  test.each([
    [200, 0.05, 124],
    [223, 0.02, 149],
    [222, 0.02, 148],
  ])("of %d items with losses of 0 or 1 at risk %d, %d are tested", (count, risk, tested) => {
    expect(split(items(count), "binary", bound(risk)).test).toHaveLength(tested);
  });

  test("a group is never split, and only its hash determines its part", () => {
    const all = items(60, (i) => `${(i * 7) % 20}`);
    const parts = split(all, "binary", bound(0.05));
    const searched = new Set(parts.search.map(({ group }) => group));
    expect(parts.test.some(({ group }) => searched.has(group))).toBe(false);
    expect(
      split(all.toReversed(), "binary", bound(0.05))
        .test.map(({ id }) => id)
        .toSorted(),
    ).toEqual(parts.test.map(({ id }) => id).toSorted());
  });
});

const setting = (family: string, boldness: number): Candidate => ({
  recipe: `${family}:${boldness}`,
  family,
  boldness,
});
const answering = (loss: (recipe: string) => number): Answers => ({
  lossOf: async (recipe) => loss(recipe),
  pricesOf: async (recipes) => recipes.map((recipe) => () => (recipe === "dense" ? 1 : 0.5 - 0.01 * recipe.length)),
  isCheaper: () => true,
});

test("a setting that loses takes the bolder ones of its family with it, and no other", async () => {
  const candidates = [setting("a", 1), setting("a", 2), setting("a", 3), setting("b", 3)];
  const calls: string[] = [];
  const answers = answering((recipe) => Number(recipe === "a:2"));
  const remaining = await race({ type: "binary", bound: bound(0.05) }, candidates, items(20), {
    lossOf: (recipe, item) => {
      calls.push(recipe);
      return answers.lossOf(recipe, item);
    },
  });
  expect([...remaining.keys()].map(({ recipe }) => recipe)).toEqual(["a:1", "b:3"]);
  expect(calls.filter((recipe) => recipe === "a:3").length).toBeLessThan(5);
});

test("savings that lose nothing are combined, as long as that is cheaper", async () => {
  const outcome = await tune(
    {
      ...{ items: items(120), candidates: [setting("a", 1), setting("b", 1)], type: "binary", bound: bound(0.05) },
      union: (a, b) =>
        a.family.split("+").includes(b.family) || b.family.split("+").includes(a.family)
          ? undefined
          : { recipe: `${a.recipe} ${b.recipe}`, family: `${a.family}+${b.family}`, boldness: 0 },
    },
    answering(() => 0),
  );
  expect(outcome.survivors.map(({ recipe }) => recipe)).toEqual(["a:1", "b:1", "a:1 b:1"]);
  expect(outcome.chosen?.ladder).toEqual([{ tokens: [0, null], rungs: ["a:1 b:1", "dense"] }]);
});

test("the order is final before the first item of the test is answered", async () => {
  const events: string[] = [];
  const all = items(90);
  const tested = new Set(split(all, "binary", bound(0.05)).test.map(({ id }) => id));
  await tune(
    { items: all, candidates: [setting("a", 1)], type: "binary", bound: bound(0.05) },
    {
      ...answering(() => 0),
      lossOf: async (_, { id }) => {
        events.push(tested.has(id) ? "test" : "search");
        return 0;
      },
    },
    { ordered: async () => void events.push("ordered") },
  );
  expect(events.indexOf("ordered")).toBe(events.lastIndexOf("search") + 1);
  expect(events.indexOf("test")).toBe(events.indexOf("ordered") + 1);
});

/** Three standard errors of a share that is δ. */
const allowed = (share: number, runs: number) => share + 3 * Math.sqrt((share * (1 - share)) / runs);

describe("tunings of synthetic recipes", () => {
  const RUNS = 60;

  test.each(worlds)("$name: at most one of twenty is wrong", async (world) => {
    const share = world.attempts ? 0.1 : 0.05;
    expect((await simulate(world, RUNS)).wrong).toBeLessThanOrEqual(allowed(share, RUNS));
  });

  test.each(broken)("a tuner that $name is detected", async ({ world, procedure }) => {
    const { wrong } = await simulate(worlds.find(({ name }) => name === world)!, RUNS, procedure);
    expect(wrong).toBeGreaterThan(0.05);
  });

  test("of 1,200 items, half of the best admissible saving is found", async () => {
    const { saving, admissible } = await simulate(worlds.find(({ name }) => name.includes("1200 items"))!, 20);
    expect(saving).toBeGreaterThan(admissible / 2);
  });
});
