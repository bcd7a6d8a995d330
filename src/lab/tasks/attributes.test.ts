import { expect, test } from "vitest";
import type { GenerationItem } from "../item.ts";
import { findTask } from "./registry.ts";

async function itemsOf(spec: string, limit = 8): Promise<GenerationItem[]> {
  const task = await findTask(spec);
  const items: GenerationItem[] = [];
  for await (const item of task.items({ seed: 3, limit, countTokens: () => 0 })) items.push(item as GenerationItem);
  return items;
}

test("the image is where the item says: one word precedes it, the question follows it", async () => {
  for (const { prompt, visual } of await itemsOf("attributes")) {
    const words = prompt.trim().split(" ");
    const [{ first, grid }] = visual as [{ first: number; grid: readonly [number, number] }];
    expect(words[0]).toBe("image");
    expect(words[first]).toBe("rowa");
    expect(words.slice(first + grid[0] * grid[1])).toEqual(["where", expect.any(String)]);
  }
});

test("options select kinds and sizes; each answer has as many tokens as allowed", async () => {
  const counts = { where: 2, ground: 1, any: 1, read: 3 };
  for (const [ask, words] of Object.entries(counts))
    for (const { answers, maxTokens, visual } of await itemsOf(`attributes:${ask},side=6`)) {
      expect(answers[0]!.split(" ").length).toBe(words);
      expect(maxTokens).toBe(words);
      expect(visual![0]!.grid).toEqual([6, 7]);
    }
});

test("presence questions go through the shapes in turn", async () => {
  const lastWords = (await itemsOf("attributes:any", 4)).map(({ prompt }) => prompt.split(" ").at(-1));
  expect(new Set(lastWords).size).toBe(4);
});

test.each([
  ["attributes:why", "ask: expected one of where, ground, any, read"],
  ["attributes:where,side=40", "side: expected"],
])("%s is refused", async (spec, sentence) => {
  await expect(findTask(spec)).rejects.toThrow(sentence);
});
