import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems, countTokens } from "./items.testing.ts";
import { spread } from "./needle-task.ts";
import { findTask } from "./registry.ts";

const hay = Array.from({ length: 60 }, (_, i) => `Sentence ${i} tells how the river ran past the old mill.`).join(" ");
const haystack = () => writeAt(join(tempFolder(), "hay.txt"), hay);
const task = async (spec: string) => (await findTask(spec)) as TaskOf<"generation">;

describe.each([
  ["needle", 1],
  ["multi-key", 4],
])("%s", (name, keys) => {
  test("as many items as requested, each of the requested length including its answer; a smaller limit takes the first ones", async () => {
    const long = await task(`${name}:tokens=600,haystack=${haystack()}`);
    const items = await allItems(long, { limit: 6 });
    expect(items.map(({ id }) => id)).toEqual(["0", "1", "2", "3", "4", "5"]);
    for (const { prompt, answers, maxTokens } of items) {
      expect(countTokens(prompt) + maxTokens).toBeLessThanOrEqual(600);
      expect(countTokens(prompt) + maxTokens).toBeGreaterThan(590);
      expect(prompt.match(/number for \w+ is \d{5}\./g)?.length).toBe(keys);
      expect(prompt).toContain(`is ${answers[0]}.`);
    }
    expect(new Set(items.map(({ answers }) => answers[0])).size).toBe(6);
    expect(await allItems(long, { limit: 3 })).toEqual(items.slice(0, 3));
    expect(await allItems(long, { limit: 1, seed: 1 })).not.toEqual(items.slice(0, 1));
  });
});

test("depths spread evenly, however many items there are", () => {
  for (const count of [1, 3, 7, 50]) {
    const depths = Array.from({ length: count }, (_, n) => spread(n)).sort((a, b) => a - b);
    const gaps = [...depths, 1].map((depth, i) => depth - (depths[i - 1] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(0.25 / (count + 1));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 / (count + 1));
  }
});

describe("variable tracking", () => {
  const assignments = (prompt: string) =>
    [...prompt.matchAll(/VAR ([A-Z]{5}) = (?:VAR )?(\w+)\./g)].map(([, name, value]) => [name!, value!] as const);

  test("each variable gets the one before, in order; the question is about the first chain's", async () => {
    const items = await allItems(await task(`variable-tracking:tokens=700,chains=3,hops=2,haystack=${haystack()}`), {
      limit: 5,
    });
    for (const { prompt, answers, maxTokens } of items) {
      expect(countTokens(prompt) + maxTokens).toBeLessThanOrEqual(700);
      expect(countTokens(prompt) + maxTokens).toBeGreaterThan(690);
      const target = /have the value (\d{5})/.exec(prompt)![1]!;
      const values = new Map<string, string>();
      // A name is read only after its assignment: the text is in order.
      for (const [name, value] of assignments(prompt)) {
        const number = /^\d/.test(value) ? value : values.get(value);
        expect(number).toBeDefined();
        values.set(name, number!);
      }
      expect(values.size).toBe(9);
      const right = [...values].filter(([, number]) => number === target).map(([name]) => name);
      expect([...answers].sort()).toEqual(right.sort());
      expect(answers.length).toBe(3);
    }
  });

  test("a seed determines the items, and seeds differ", async () => {
    const long = await task(`variable-tracking:tokens=300,haystack=${haystack()}`);
    const items = await allItems(long, { limit: 3 });
    expect(await allItems(long, { limit: 3 })).toEqual(items);
    expect(await allItems(long, { limit: 3, seed: 1 })).not.toEqual(items);
  });

  test("a length that is too short is refused in one sentence", async () => {
    const long = await task(`variable-tracking:tokens=64,haystack=${haystack()}`);
    await expect(allItems(long)).rejects.toThrow(
      /^tokens: expected at least \d+ for the hidden texts and the question/,
    );
  });
});
