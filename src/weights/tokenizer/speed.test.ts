import { beforeAll, expect, test } from "vitest";
import { slowness, worked } from "../../util/worked.testing.ts";
import type { TokenizerSource } from "./source.ts";
import { fixture, smollm2 } from "./testing.ts";
import { Tokenizer } from "./tokenizer.ts";

let source: TokenizerSource;
beforeAll(async () => {
  source = await smollm2();
});

/** Milliseconds of CPU time. */
function cost(work: () => void): number {
  const before = worked();
  work();
  return worked() - before;
}

const least = (runs: number, work: () => void) => Math.min(...Array.from({ length: runs }, () => cost(work)));

test("construction takes less than 150 ms", () => {
  expect(least(3, () => new Tokenizer(source))).toBeLessThan(150 * slowness());
});

test("30 kB of mixed text take less than 100 ms", () => {
  const page = fixture<string[]>("texts").join("\n").repeat(3).slice(0, 30_000);
  expect(page.length).toBe(30_000);
  const fresh = Array.from({ length: 5 }, () => new Tokenizer(source));
  expect(least(5, () => fresh.pop()!.encode(page))).toBeLessThan(100 * slowness());
});

test.each(["a", "ab", "qzjx", "字", "é", "1", " ", "!", "\n"])(
  "100,000 characters of %j take less than two seconds",
  (word) => {
    const tokenizer = new Tokenizer(source);
    const text = word.repeat(100_000 / word.length);
    let ids: number[] = [];
    expect(cost(() => (ids = tokenizer.encode(text)))).toBeLessThan(2000 * slowness());
    expect(tokenizer.decode(ids)).toBe(text);
  },
);
