import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { TaskOf, TokenCodec } from "../task.ts";
import { allItems } from "./items.testing.ts";
import { placeIn } from "./next-tokens.ts";
import { findTask } from "./registry.ts";

/** One token per character. */
const tokenizer: TokenCodec = {
  encode: (text) => [...text].map((character) => character.codePointAt(0)!),
  decode: (ids) => String.fromCodePoint(...ids),
};

const task = async (spec: string) => (await findTask(spec)) as TaskOf<"generation">;

describe("a place", () => {
  test.each([
    [200, 0, 50],
    [200, 0.9999, 199],
    [40, 0, 30],
    [40, 0.9999, 39],
    [11, 0, 1],
  ])("in %i tokens, drawn at %d, is %i", (length, drawn, at) => {
    expect(placeIn(length, () => drawn)).toBe(at);
  });

  test.each([0, 1, 10])("is not in %i tokens", (length) => {
    expect(placeIn(length, () => 0.5)).toBeUndefined();
  });
});

test("the next ten tokens of each file, after a limited number of tokens", async () => {
  const folder = tempFolder();
  const text = "const letters = 'abcdefghijklmnopqrstuvwxyz';\n".repeat(5);
  for (const name of ["a.ts", "b.ts", "c.ts", "d.py"]) writeAt(join(folder, name), name + text);
  writeAt(join(folder, "short.ts"), "1");
  const own = await task(`next-tokens:${folder},tokens=20`);
  const items = await allItems(own, { tokenizer });
  expect(items.map(({ id }) => id).sort()).toEqual(["a.ts", "b.ts", "c.ts", "d.py"]);
  for (const { id, prompt, promptTokens, answers, answerTokens, maxTokens } of items) {
    expect(id + text).toContain(prompt + answers[0]);
    expect([promptTokens!.length, maxTokens]).toEqual([20, 10]);
    expect([prompt, answers[0]]).toEqual([tokenizer.decode(promptTokens!), tokenizer.decode(answerTokens!)]);
    expect(answerTokens!.length).toBeLessThanOrEqual(10);
  }
  expect(await allItems(own, { tokenizer, limit: 2 })).toEqual(items.slice(0, 2));
  const others = await allItems(own, { tokenizer, seed: 1 });
  expect(others.map(({ prompt }) => prompt).sort()).not.toEqual(items.map(({ prompt }) => prompt).sort());
});

test("more items than files use further places of the same files", async () => {
  const folder = tempFolder();
  for (const name of ["a.ts", "b.ts"]) writeAt(join(folder, name), "const letters = 'abcdefghijklmnop';\n".repeat(9));
  const items = await allItems(await task(`next-tokens:${folder}`), { tokenizer, limit: 5 });
  expect(items.map(({ id }) => id).sort()).toEqual([
    "a.ts",
    "a.ts #2",
    "b.ts",
    "b.ts #2",
    expect.stringMatching(/ #3$/),
  ]);
  expect(new Set(items.map(({ prompt }) => prompt)).size).toBeGreaterThan(2);
});

test("is for decoders, and for corpora with source files", async () => {
  const own = await task(`next-tokens:${tempFolder()}`);
  await expect(allItems(own)).rejects.toThrow("next-tokens: expected a decoder");
  await expect(allItems(own, { tokenizer })).rejects.toThrow(/there is no source file in it with more than 10 tokens/);
});

test.each(["code:java", "code:python:dev", "code:python:test:x"])("%s is no corpus", async (corpus) => {
  const own = await task(`next-tokens:${corpus}`);
  await expect(allItems(own, { tokenizer })).rejects.toThrow(
    /expected code:typescript\|python, optionally with :test\|/,
  );
});
