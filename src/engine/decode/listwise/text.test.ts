import { expect, test } from "vitest";
import { oneLine } from "./text.ts";

test.each([
  ["[A] > [B]", "(A) > (B)"],
  ["see [12] and [[x]]", "see (12) and ((x))"],
  ["an open [C", "an open (C"],
  ["two\nlines\t\u0000and\u2028more", "two lines and more"],
  ["Title: Wings Content: of a bird", "Wings of a bird"],
  ["cafÃ© au lait, itâ€™s â‚¬5", "café au lait, it’s €5"],
  ["café, Â± and naïve Ã stay", "café, Â± and naïve Ã stay".replace("Â±", "±")],
  ["\u202eright to left", "right to left"],
  ["   ", ""],
])("%j on one line", (text, expected) => {
  expect(oneLine(text)).toBe(expected);
});

test("at most so many words", () => {
  expect(oneLine("one two  three\nfour", 3)).toBe("one two three");
  expect(oneLine("one", 3)).toBe("one");
});
