import { expect, test } from "vitest";
import { parseTags, tagName } from "./tags.ts";

const passes = (filter: string, ...tags: string[]) => parseTags(filter)(new Set(tags));

test("not binds before and, and before or; parentheses change that", () => {
  expect(passes("a or b and c", "a")).toBe(true);
  expect(passes("(a or b) and c", "a")).toBe(false);
  expect(passes("not a and b", "b")).toBe(true);
  expect(passes("not (a and b)", "a", "b")).toBe(false);
  expect(passes("not not a", "a")).toBe(true);
});

test("adjacent words are joined by and, also before not and a parenthesis", () => {
  expect(passes("a b", "a")).toBe(false);
  expect(passes("a not b", "a")).toBe(true);
  expect(passes("a (b or c)", "a", "c")).toBe(true);
});

test("quotes hold several words and operators; case and spaces do not matter", () => {
  expect(passes('"Vision  Language"', "vision language")).toBe(true);
  expect(passes('"and"', "and")).toBe(true);
  expect(passes("A AND NOT B", "a", "b")).toBe(false);
  expect(tagName("  To   Read ")).toBe("to read");
});

test.each([
  ["", "the end"],
  ["a or", "the end"],
  ["and a", '"and"'],
  ["(a", "a parenthesis"],
  ["a)", '")"'],
  ['"a', "a quote"],
  ["not ".repeat(90), "levels"],
  ["a".repeat(401), "at most 400"],
])("%s is refused in one sentence", (filter, got) => {
  expect(() => parseTags(filter)).toThrow(got);
});
