import { expect, test } from "vitest";
import { cutToTokens } from "./truncate.ts";

/** A word of more than three letters has two tokens. */
const tokensOf = (text: string): number =>
  text.split(" ").reduce((sum, word) => sum + (word.length > 3 ? 2 : Math.min(1, word.length)), 0);

test.each([
  [["a b", "c"], 9, { text: "a b c", whole: 3, read: 3, parts: { whole: 2, read: 2 } }],
  [["a b", "c d"], 3, { text: "a b c", whole: 4, read: 3, parts: { whole: 2, read: 1 } }],
  [["long words", "c"], 3, { text: "long", whole: 5, read: 2, parts: { whole: 2, read: 0 } }],
  [["long"], 1, { text: "long", whole: 2, read: 2, parts: { whole: 1, read: 1 } }],
  [["  a \n b "], 5, { text: "a b", whole: 2, read: 2, parts: { whole: 1, read: 1 } }],
])("%j in %d tokens", (parts, most, cut) => {
  expect(cutToTokens(parts, most, tokensOf)).toEqual(cut);
});

test("whole words that fit are retained in order, and later text changes nothing", () => {
  const categories = Array.from({ length: 50 }, (_, i) => `${"x".repeat(1 + (i % 6))} y`);
  for (const most of [1, 2, 17, 60]) {
    const cut = cutToTokens(categories, most, tokensOf);
    expect(tokensOf(cut.text)).toBeLessThanOrEqual(most);
    expect(categories.join(" ").startsWith(cut.text)).toBe(true);
    const next = categories
      .join(" ")
      .slice(cut.text.length + 1)
      .split(" ")[0]!;
    expect(tokensOf(`${cut.text} ${next}`)).toBeGreaterThan(most);
    expect(cutToTokens([...categories.slice(0, 49), "other"], most, tokensOf).text).toBe(cut.text);
  }
});
