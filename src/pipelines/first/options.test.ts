import { expect, test } from "vitest";
import { isFirstName, parseFirst } from "./options.ts";

test("a name is a model, +first, and options after a final @", () => {
  expect(parseFirst("smollm2+first")).toMatchObject({ model: "smollm2", optionText: "" });
  const named = parseFirst("smollm2@fast+first@windowSize=10,method=generate");
  expect(named).toMatchObject({ model: "smollm2@fast" });
  expect(named!.options).toMatchObject({ windowSize: 10, stride: 10, rankEnd: 20, method: "generate" });
});

test.each(["smollm2", "first", "+first", "a+firsts", "a+first@", "smollm2@fast"])("%s is not a reranker", (text) => {
  expect(isFirstName(text)).toBe(false);
  expect(parseFirst(text)).toBeUndefined();
});

test.each([
  ["m+first@windowSize=27", 'first: windowSize: must be at most 26 (got "27")'],
  ["m+first@windowSize=5,stride=6", "first: stride: expected at most windowSize"],
  ["m+first@windowsize=5", 'first: there is no option "windowsize"; did you mean "windowSize"?'],
  ["m+first@rankStart=20", "first: rankStart: expected less than rankEnd"],
  ["m+first@stride=2,stride=3", "first: stride is given twice"],
  ["a>b+first", '"first" ranks with one model, but a>b is a pair'],
])("%s is one sentence", (text, sentence) => {
  expect(() => parseFirst(text)).toThrow(sentence);
});
