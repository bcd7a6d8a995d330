import { expect, test } from "vitest";
import type { GenerationItem } from "../item.ts";
import { containsAll, containsAnswer } from "./contains.ts";

const item: GenerationItem = {
  ...{ kind: "generation", id: "0", prompt: "", stop: [], maxTokens: 1 },
  answers: ["ABCDE", "FGHIJ", "12"],
};
const part = (metric: typeof containsAll, text: string) => metric.part(item, { text }, { text: "" });

test("is a share of the answers; for the other metric, any of them suffices", () => {
  expect(part(containsAll, "fghij and 12, not 123")).toEqual([2 / 3]);
  expect(part(containsAnswer, "fghij and 12, not 123")).toEqual([1]);
  expect(part(containsAll, "ABCD 123")).toEqual([0]);
  expect(part(containsAnswer, "ABCD 123")).toEqual([0]);
  expect(containsAll.quality([[1], [2 / 3], [0]])).toBeCloseTo(5 / 9, 12);
});

test.each([
  ["4", "-4", 0],
  ["4", "−4 it is", 0],
  ["4", "1.4", 0],
  ["1", "1.4", 0],
  ["500", "1,500", 0],
  ["1", "1,500", 0],
  ["4", "It is 4.", 1],
  ["4", "3-4", 1],
  ["19", "COVID-19", 1],
  ["7654321", "1234567,7654321,", 1],
  ["-4", "= -4", 1],
])("of %j in %j: a number only whole, with its sign", (answer, text, expected) => {
  expect(containsAnswer.part({ ...item, answers: [answer] }, { text }, { text })).toEqual([expected]);
});
