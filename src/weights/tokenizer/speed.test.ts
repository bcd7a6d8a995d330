import { beforeAll, expect, test } from "vitest";
import { callsOf } from "../../util/calls.testing.ts";
import type { TokenizerSource } from "./source.ts";
import { fixture, smollm2 } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

let source: TokenizerSource;
beforeAll(async () => {
  source = await smollm2();
});

test("construction does nothing for each token", async () => {
  expect(await callsOf(() => new Tokenizer(source))).toBeLessThan(1000);
});

test("30 kB of mixed text take little work", async () => {
  const page = fixture<string[]>("texts").join("\n").repeat(3).slice(0, 30_000);
  expect(page.length).toBe(30_000);
  const tokenizer = new Tokenizer(source);
  expect(await callsOf(() => tokenizer.encode(page))).toBeLessThan(60 * page.length);
});

test.each(["a", "ab", "qzjx", "字", "é", "1", " ", "!", "\n"])(
  "work grows with the length of a text of %j, not with its square",
  async (word) => {
    const calls = async (length: number) => {
      const tokenizer = new Tokenizer(source);
      const text = word.repeat(length / word.length);
      let ids: number[] = [];
      const calls = await callsOf(() => (ids = tokenizer.encode(text)));
      expect(tokenizer.decode(ids)).toBe(text);
      return calls;
    };
    expect(await calls(20_000)).toBeLessThan(5 * (await calls(5000)));
  },
);
