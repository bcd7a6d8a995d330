import { expect, test } from "vitest";
import type { GenerationItem } from "../item.ts";
import { findTask } from "./registry.ts";

/** One token per word, line break and colon. */
const tokensIn = (text: string): string[] => text.match(/\n|:|[^\s:]+/g) ?? [];
const countTokens = (text: string) => tokensIn(text).length;

async function itemsOf(spec: string, limit: number, count = countTokens): Promise<GenerationItem[]> {
  const task = await findTask(spec);
  const items: GenerationItem[] = [];
  for await (const item of task.items({ seed: 3, limit, countTokens: count })) items.push(item as GenerationItem);
  return items;
}

/** The rows of an item's grid, read from its span: name and words. */
function rowsOf({ prompt, visual }: GenerationItem) {
  const [{ first, grid }] = visual as [{ first: number; grid: readonly [number, number] }];
  const tokens = tokensIn(prompt);
  return Array.from({ length: grid[0] }, (_, row) => {
    const [line, name, colon, ...words] = tokens.slice(first + row * grid[1], first + (row + 1) * grid[1]);
    expect([line, colon]).toEqual(["\n", ":"]);
    return { name: name!, words };
  });
}

test("the grid is where the item says: 20 rows with a name each, and 400 different words", async () => {
  for (const item of await itemsOf("word-grid", 3)) {
    const rows = rowsOf(item);
    expect(rows.map(({ name }) => name).join("")).toBe("ABCDEFGHIJKLMNOPQRST");
    expect(new Set(rows.flatMap(({ words }) => words)).size).toBe(400);
    expect(item.visual![0]!.grid).toEqual([20, 23]);
  }
});

test("next: a row is repeated from its beginning, and its next word is the answer; every row is asked about", async () => {
  const columns = new Set<number>();
  for (const [i, item] of (await itemsOf("word-grid", 20)).entries()) {
    const { name, words } = rowsOf(item)[i]!;
    const question = item.prompt.split("\n\n")[1]!;
    const column = words.indexOf(item.answers[0]!);
    expect(question).toBe(`Row ${name}: ${words.slice(0, column).join(" ")}`);
    expect(column).toBeGreaterThanOrEqual(3);
    columns.add(column);
  }
  expect(columns.size).toBeGreaterThan(5);
});

test("first and row: three answered questions precede the last one", async () => {
  for (const ask of ["first", "row"])
    for (const [i, item] of (await itemsOf(`word-grid:${ask},side=6`, 6)).entries()) {
      const rows = rowsOf(item);
      const questions = item.prompt.split("\n\n")[1]!.split("\n");
      expect(questions).toHaveLength(4);
      for (const [n, question] of questions.entries()) {
        const answer = n < 3 ? question.split(" ").at(-1)!.slice(0, -1) : item.answers[0]!;
        const { row, word } = /^The (?:first word of row (?<row>\w) is|word (?<word>\w+) is in row)/.exec(question)!
          .groups!;
        const own = rows.find(({ name, words }) => (ask === "first" ? name === row : words.includes(word!)))!;
        expect(answer).toBe(ask === "first" ? own.words[0] : own.name);
      }
      expect(ask === "first" ? rows[i]!.words[0] : rows[i]!.name).toBe(item.answers[0]);
    }
});

test("a seed determines the items; a smaller limit takes the first ones", async () => {
  expect(await itemsOf("word-grid", 2)).toEqual((await itemsOf("word-grid", 4)).slice(0, 2));
});

test.each([
  ["word-grid:why", "ask: expected one of next, first, row"],
  ["word-grid:side=21", "side: expected a whole number from 4 to 20"],
])("%s is refused", async (spec, sentence) => {
  await expect(findTask(spec)).rejects.toThrow(sentence);
});

test("a tokenizer that splits its words is refused", async () => {
  await expect(itemsOf("word-grid", 1, (text) => text.length)).rejects.toThrow(
    "word-grid: the model's tokenizer splits some of the words, expected one token each",
  );
});
