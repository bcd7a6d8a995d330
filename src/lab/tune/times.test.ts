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

/** A machine that is `busy` times slower; `half` takes half of dense's time. */
const serving = (busy: () => number, asked: string[] = []): Serving => ({
  async answer(recipe, { tokens }) {
    asked.push(recipe);
    const ms = busy() * (recipe === "dense" ? 1 : 0.5) * (20 + 2 * tokens);
    return { text: "", tokens: [1, 2], reason: "stop", ms, flops: tokens, bytes: tokens };
  },
  excess: async () => [],
  [Symbol.dispose]() {},
});

test("twelve items are timed, the shortest and the longest among them", () => {
  const lengths = timedItems(items).map(({ tokens }) => tokens);
  expect([lengths.length, lengths[0], lengths.at(-1)]).toEqual([12, 100, 390]);
  expect(timedItems(items.slice(0, 5))).toHaveLength(5);
});

test("recipes take turns with dense, and a busier round does not make its recipes dearer", async () => {
  let busy = 1;
  const asked: string[] = [];
  const folder = tempFolder();
  await using times = await Times.open(
    folder,
    serving(() => busy, asked),
    items,
    undefined,
    () => {},
  );
  await times.measure(["dense", "a"]);
  expect(asked.slice(0, 6)).toEqual(["dense", "a", "dense", "a", "dense", "a"]);
  busy = 3;
  await times.measure(["dense", "a", "b"]);
  const price = (recipe: string) => costOf(times.fit(recipe, "ms"), 200, 2);
  expect(price("dense")).toBeCloseTo(420, 6);
  expect(price("a")).toBeCloseTo(210, 6);
  expect(price("b")).toBeCloseTo(210, 6);
  expect(times.costs(() => "b", "ms")[0]).toBeCloseTo(110, 6);
  // What is kept is what was measured.
  const lines = readFileSync(join(folder, "times.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line)).filter(({ recipe }) => recipe === "b")[0].ms).toBeCloseTo(330, 6);
  asked.length = 0;
  await times.measure(["dense", "a", "b"]);
  expect(asked).toEqual([]);
});
