import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { costOf } from "./fit.ts";
import type { ServedItem } from "./items.ts";
import type { Serving } from "./served.ts";
import { Times, timedItems } from "./times.ts";

const items = Array.from(
  { length: 30 },
  (_, i): ServedItem => ({
    ...{ id: `${i}`.padStart(2, "0"), group: `${i}`, tokens: 100 + 10 * ((7 * i) % 30) },
    ...{ prompt: "a", stop: [], maxTokens: 4 },
  }),
);

/**
 * A machine that is `busy` times slower. Recipes take half of dense's time and work, except `idle`, which saves nothing
 * and is timed slower.
 */
const serving = (busy: () => number, calls: string[] = []): Serving => ({
  async answer(recipe, { tokens }) {
    calls.push(recipe);
    const share = recipe === "dense" || recipe === "idle" ? 1 : 0.5;
    const ms = busy() * share * (20 + 2 * tokens) + (recipe === "idle" ? 50 : 0);
    return { text: "", tokens: [1, 2], reason: "stop", ms, flops: share * tokens, bytes: share * tokens };
  },
  excess: async () => [],
  [Symbol.dispose]() {},
});

test("twelve items are timed, including the shortest and the longest", () => {
  const lengths = timedItems(items).map(({ tokens }) => tokens);
  expect([lengths.length, lengths[0], lengths.at(-1)]).toEqual([12, 100, 390]);
  expect(timedItems(items.slice(0, 5))).toHaveLength(5);
});

test("recipes take turns with dense, and a busier round does not make its recipes more expensive", async () => {
  let busy = 1;
  const calls: string[] = [];
  const folder = tempFolder();
  await using times = await Times.open(
    folder,
    serving(() => busy, calls),
    items,
    undefined,
    () => {},
  );
  await times.measure(["dense", "a"]);
  expect(calls.slice(0, 6)).toEqual(["dense", "a", "dense", "a", "dense", "a"]);
  busy = 3;
  await times.measure(["dense", "a", "b"]);
  const price = (recipe: string) => costOf(times.fit(recipe, "ms"), 200, 2);
  expect(price("dense")).toBeCloseTo(420, 6);
  expect(price("a")).toBeCloseTo(210, 6);
  expect(price("b")).toBeCloseTo(210, 6);
  expect(times.costs(() => "b", "ms")[0]).toBeCloseTo(110, 6);
  // Stored times equal the measured times.
  const lines = readFileSync(join(folder, "times.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line)).filter(({ recipe }) => recipe === "b")[0].ms).toBeCloseTo(330, 6);
  calls.length = 0;
  await times.measure(["dense", "a", "b"]);
  expect(calls).toEqual([]);
});

test("a recipe has dense's time on the items on which it did not act", async () => {
  await using times = await Times.open(
    tempFolder(),
    serving(() => 1),
    items,
    undefined,
    () => {},
  );
  await times.measure(["dense", "idle", "a"]);
  expect(times.costs(() => "idle", "ms")).toEqual(times.costs(() => "dense", "ms"));
  expect(times.fit("idle", "ms")).toEqual(times.fit("dense", "ms"));
  const pairs = times.pairs((tokens) => (tokens < 200 ? "idle" : "a"), "ms");
  expect(pairs).toHaveLength(12);
  expect(pairs[0]).toEqual({ saved: 220, dense: 220 });
  expect(pairs.at(-1)).toEqual({ saved: 400, dense: 800 });
});

test("pairs come from one round, and items on which a recipe failed are NaN", async () => {
  let busy = 1;
  const failing = serving(() => busy);
  const original = failing.answer.bind(failing);
  await using times = await Times.open(
    tempFolder(),
    {
      ...failing,
      answer: async (recipe, item) => {
        if (recipe === "b" && item.tokens > 200) throw new Error("out of memory");
        return original(recipe, item);
      },
    },
    items,
    undefined,
    () => {},
  );
  await times.measure(["dense", "a"]);
  busy = 3;
  await times.measure(["dense", "a", "b"]);
  const pairs = times.pairs(() => "b", "ms");
  expect(pairs).toHaveLength(12);
  const lengths = timedItems(items).map(({ tokens }) => tokens);
  expect(pairs.map(({ saved, dense }) => saved / dense)).toEqual(
    lengths.map((tokens) => (tokens > 200 ? Number.NaN : 0.5)),
  );
});
