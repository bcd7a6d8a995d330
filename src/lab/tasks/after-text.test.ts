import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { natsPerToken } from "../metrics/index.ts";
import type { TaskOf } from "../task.ts";
import { allItems, countTokens } from "./items.testing.ts";
import { findTask } from "./registry.ts";

const book = Array.from({ length: 900 }, (_, i) => `Line ${i} of a book, neither short nor extraordinarily long.`).join(
  "\n",
);
const written = (text: string): string => writeAt(join(tempFolder(), "a.txt"), text);
const task = async (spec: string) => (await findTask(spec)) as TaskOf<"continuation">;

describe("windows of a text, scored on their last tokens", () => {
  test.each([
    ["tokens=600", 600, 256],
    ["tokens=2048", 2048, 256],
    ["tokens=400,last=40", 400, 40],
  ])("of %s follow each other, none longer, none much shorter", async (options, tokens, last) => {
    const items = await allItems(await task(`after-text:${written(book)},${options}`));
    expect(items.length).toBe(Math.floor(countTokens(book) / tokens));
    expect(book.startsWith(items.map(({ context, continuation }) => context + continuation).join(""))).toBe(true);
    for (const { context, continuation } of items) {
      for (const [text, most] of [
        [context, tokens - last],
        [continuation, last],
      ] as const) {
        expect(countTokens(text)).toBeLessThanOrEqual(most);
        expect(countTokens(text)).toBeGreaterThan(most - 8);
      }
      expect(continuation).toMatch(/^\s/);
    }
  });

  test("count a text's start token only in the context", async () => {
    const withBegin = (text: string) => countTokens(text) + 1;
    const own = await task(`after-text:${written(book)},tokens=100,last=20`);
    const [item] = await allItems(own, { limit: 1, countTokens: withBegin });
    expect(withBegin(item!.context)).toBeLessThanOrEqual(80);
    expect(countTokens(item!.continuation)).toBeGreaterThan(12);
    expect(countTokens(item!.continuation)).toBeLessThanOrEqual(20);
  });
});

test("a limit takes the first, whatever the seed", async () => {
  const own = await task(`after-text:${written(book)},tokens=600`);
  const all = await allItems(own);
  expect(await allItems(own, { limit: 3, seed: 5 })).toEqual(all.slice(0, 3));
});

test("a text that fills no window, and scoring more than half of one, are refused in one sentence", async () => {
  const file = written("a short text");
  await expect(allItems(await task(`after-text:${file}`))).rejects.toThrow(
    `${file}: expected a text of more than 4096 tokens`,
  );
  await expect(task("after-text:a.txt,tokens=500")).rejects.toThrow(
    "after-text: last: expected at most half of the option tokens, 250, got 256",
  );
  await expect(task("after-text")).rejects.toThrow("after-text: file: expected a file: after-text:FILE");
});

test("nats are counted by token, over all items together", () => {
  const item = { kind: "continuation", id: "0", context: "a", continuation: "b" } as const;
  const parts = [
    { logLikelihood: -6, tokens: 2, greedy: false },
    { logLikelihood: -1, tokens: 8, greedy: true },
  ].map((answer) => natsPerToken.part(item, answer, answer));
  expect(natsPerToken.quality(parts)).toBeCloseTo(0.7, 12);
});
