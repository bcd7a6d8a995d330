import { describe, expect, test } from "vitest";
import { type NeedleOptions, needle, needles } from "./needle.ts";

const haystack = Array.from(
  { length: 60 },
  (_, i) => `Sentence ${i} tells how the river ran past the old mill, then stopped. Nobody asked why (not even then!).`,
).join("\n");

/** Tokens of about four letters, at least one per word: close to byte-pair encodings. */
const countTokens = (text: string) =>
  text.split(/\s+/).reduce((sum, word) => sum + Math.ceil(word.length / 4), 0) + text.split("\n").length - 1;

const options: NeedleOptions = { haystack, tokens: 1500, depth: 0.5, keys: 1, seed: 1, countTokens };
const numbersIn = (text: string) => [...text.matchAll(/special magic number for (\w+) is (\d{5})\./g)];

describe("a single needle", () => {
  test("is hidden once, with a question for its name, answered by its number", () => {
    const { prompt, answer } = needle(options);
    const [hidden, ...more] = numbersIn(prompt);
    expect(more).toEqual([]);
    expect(hidden![2]).toBe(answer);
    expect(
      prompt.endsWith(
        `What is the special magic number for ${hidden![1]} in the text above? The special magic number for ${hidden![1]} is`,
      ),
    ).toBe(true);
  });

  test.each([200, 777, 2048, 8192])(
    "fills %d tokens to within a word's, never more, repeating a short haystack",
    (tokens) => {
      for (const keys of [1, 4]) {
        const item = needle({ ...options, tokens, keys });
        expect(item.tokens).toBe(countTokens(item.prompt));
        expect(item.tokens).toBeLessThanOrEqual(tokens);
        expect(item.tokens).toBeGreaterThan(tokens - 10);
      }
    },
  );

  test.each([0, 0.25, 0.5, 0.75, 1])("lies at depth %d, after a whole sentence", (depth) => {
    const { prompt, answer, depth: reached } = needle({ ...options, depth });
    expect(Math.abs(reached - depth)).toBeLessThan(0.03);
    const hay = prompt.slice(prompt.indexOf("\n\n") + 2, prompt.lastIndexOf("\n\n"));
    const start = hay.indexOf("The special magic number");
    const before = hay.slice(0, start).trim();
    expect(Math.abs(before.length / (hay.length - 43) - depth)).toBeLessThan(0.05);
    if (depth < 1) expect(before).toMatch(/^$|[.!?)]$/);
    expect(hay).toContain(answer);
  });
});

describe("multi-key retrieval", () => {
  const item = needle({ ...options, keys: 8 });
  const numbers = numbersIn(item.prompt);

  test("hides every key with its own name and number", () => {
    expect(numbers).toHaveLength(8);
    expect(new Set(numbers.map(([, name]) => name)).size).toBe(8);
    expect(new Set(numbers.map(([, , number]) => number)).size).toBe(8);
  });

  test("asks for the one at the requested depth", () => {
    const key = /What is the special magic number for (\w+)/.exec(item.prompt)![1];
    expect(numbers.find(([, name]) => name === key)![2]).toBe(item.answer);
    expect(Math.abs(item.depth - 0.5)).toBeLessThan(0.03);
  });
});

describe("seeds", () => {
  test("the same options return the same item", () => {
    expect(needle({ ...options, keys: 5 })).toEqual(needle({ ...options, keys: 5 }));
  });

  test("seeds differ in the answer and the start", () => {
    const [a, b] = [1, 2].map((seed) => needle({ ...options, seed })) as [
      ReturnType<typeof needle>,
      ReturnType<typeof needle>,
    ];
    expect(a.answer).not.toBe(b.answer);
    expect(a.prompt.slice(70, 120)).not.toBe(b.prompt.slice(70, 120));
  });

  test("a set of items spreads over depths, all different", () => {
    const set = needles(5, options);
    for (const [i, item] of set.entries()) expect(Math.abs(item.depth - (i + 0.5) / 5)).toBeLessThan(0.03);
    expect(new Set(set.map((item) => item.answer)).size).toBe(5);
    expect(set).toEqual(needles(5, options));
  });
});

describe("impossible requests are refused", () => {
  test("too few tokens, with both numbers", () => {
    expect(() => needle({ ...options, tokens: 20 })).toThrow(
      /^tokens: expected at least \d+ for the hidden texts and the question, got 20$/,
    );
  });

  test("no haystack, no keys, more keys than names", () => {
    expect(() => needle({ ...options, haystack: " \n" })).toThrow("haystack: expected some text, got none");
    expect(() => needle({ ...options, keys: 0 })).toThrow("keys: expected 1 to 25 needles, got 0");
    expect(() => needle({ ...options, keys: 26 })).toThrow("keys: expected 1 to 25 needles, got 26");
  });
});
