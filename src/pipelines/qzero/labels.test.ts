import { expect, test } from "vitest";
import { labelsOfFlags, parseLabels } from "./labels.ts";

test("labels alone, or with words", () => {
  expect(parseLabels(["a", " b c "])).toEqual({ names: ["a", "b c"], words: [["a"], ["b c"]] });
  expect(parseLabels({ world: ["politics", "government"], us: "America" })).toEqual({
    names: ["world", "us"],
    words: [["politics", "government"], ["America"]],
  });
});

test.each([
  [["a", "b", "a"], 'the label "a" occurs twice; expected distinct labels'],
  [["a", " a"], 'the label "a" occurs twice'],
  [["a", " "], "label 2 is empty, expected a text"],
  [["a"], "expected two labels or more, got 1"],
  [[], "expected two labels or more, got 0"],
  [{ a: "x", b: [] }, 'the label "b" has an empty label word'],
  [{ a: "x", b: ["y", " "] }, 'the label "b" has an empty label word'],
])("%j is refused", (labels, sentence) => {
  expect(() => parseLabels(labels)).toThrow(sentence);
});

test("labels on the command line: label words follow =", () => {
  expect(labelsOfFlags(["sport", "world=politics|government", "x=y=z"])).toEqual({
    sport: ["sport"],
    world: ["politics", "government"],
    x: ["y=z"],
  });
  expect(() => parseLabels(labelsOfFlags(["a", "a=b"]))).toThrow('the label "a" occurs twice');
});
