import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { TINY } from "../run/run.testing.ts";
import { tuningItems } from "./items.ts";

let model: Model;
beforeAll(async () => {
  model = await load(TINY, { quant: "f32" });
});
afterAll(() => model.dispose());

const written = (...lines: object[]): string =>
  writeAt(join(tempFolder(), "own.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
const read = (file: string, wanted: { limit?: number; maxTokens?: number } = {}) =>
  tuningItems(file, model.language, { seed: 0, limit: undefined, maxTokens: undefined, ...wanted });

test("equal prompts form one group, and so do prompts with the same group; a question identifies its item", async () => {
  const file = written(
    { prompt: "abc" },
    { prompt: "abc" },
    { prompt: "abd", group: "one" },
    { prompt: "abe", group: "one" },
    { prompt: "abf" },
  );
  const { items, metric, prompt, tooLong } = await read(file);
  expect([metric, prompt, tooLong]).toEqual([undefined, "raw", 0]);
  expect(new Set(items.map(({ group }) => group)).size).toBe(3);
  expect(items.every(({ group, maxTokens }) => /^[0-9a-f]{64}$/.test(group) && maxTokens === 128)).toBe(true);
  expect(new Set(items.map(({ id }) => id)).size).toBe(4);
  expect((await read(file, { maxTokens: 5 })).items[0]!.maxTokens).toBe(5);
  expect((await read(file, { limit: 2 })).items).toHaveLength(2);
});

test("answers determine the quality of a text", async () => {
  const { items, metric } = await read(written({ prompt: "abc", answer: "yes" }));
  expect(metric).toMatchObject({ name: "contains-answer", scale: "binary" });
  expect([items[0]!.quality!({ text: "Yes!" }), items[0]!.quality!({ text: "no" })]).toEqual([1, 0]);
});

test("prompts longer than the context are left out by their length alone, and a task of choices is refused", async () => {
  const { context } = model.language.decoder.config;
  const file = written({ prompt: "a".repeat(2 * context) }, { prompt: "abc" });
  expect(await read(file, { maxTokens: 4 })).toMatchObject({ tooLong: 1, items: [{ prompt: "abc" }] });
  await expect(read("arc-easy")).rejects.toThrow(
    "arc-easy: its items are of the kind choice; expected a task that generates text",
  );
});
