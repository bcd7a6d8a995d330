import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems, countTokens } from "./items.testing.ts";
import { findTask } from "./registry.ts";

const book = Array.from({ length: 400 }, (_, i) => `Line ${i} of a book, neither short nor extraordinarily long.`).join(
  "\n",
);
const written = (name: string, data: string | Uint8Array): string => writeAt(join(tempFolder(), name), data);
const task = async (spec: string) => (await findTask(spec)) as TaskOf<"text">;

describe("windows of a text", () => {
  test.each([8, 100, 1000])(
    "of %d tokens: all of it, once, none longer, none much shorter, cut between words",
    async (tokens) => {
      const texts = (await allItems(await task(`text:${written("a.txt", book)},tokens=${tokens}`))).map(
        ({ text }) => text,
      );
      expect(texts.join("")).toBe(book);
      for (const text of texts) expect(countTokens(text)).toBeLessThanOrEqual(tokens);
      for (const text of texts.slice(0, -1)) expect(countTokens(text)).toBeGreaterThan(tokens - 8);
      for (const text of texts.slice(1)) expect(text).toMatch(/^\s/);
    },
  );

  test("of a text without spaces split no character", async () => {
    const text = "😀é".repeat(500);
    const each = (part: string) => [...part].length;
    const items = await allItems(await task(`text:${written("a.txt", text)},tokens=7`), { countTokens: each });
    expect(items.map((item) => item.text).join("")).toBe(text);
    for (const item of items) expect(item.text).not.toMatch(/\p{Surrogate}/u);
  });

  test("of a text with a word longer than a window continue", async () => {
    const text = `${"x".repeat(300)} and ${"y".repeat(300)}`;
    const items = await allItems(await task(`text:${written("a.txt", text)},tokens=10`));
    expect(items.map((item) => item.text).join("")).toBe(text);
  });
});

test("a limit takes the first; a name with a comma and a gzipped file are accepted", async () => {
  const items = await allItems(await task(`text:${written("a, b.txt.gz", gzipSync(book))},tokens=100`), { limit: 2 });
  expect(items.map(({ id }) => id)).toEqual(["0", "1"]);
  expect(book.startsWith(items[0]!.text + items[1]!.text)).toBe(true);
});

test("an empty file and an invalid text are refused in one sentence", async () => {
  const empty = written("a.txt", " \n");
  await expect(allItems(await task(`text:${empty}`))).rejects.toThrow(`${empty}: there is no text in it`);
  const bytes = written("b.txt", Uint8Array.of(0xff, 0xfe, 0));
  await expect(allItems(await task(`text:${bytes}`))).rejects.toThrow(`${bytes}: expected text in UTF-8`);
});
