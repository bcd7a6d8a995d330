import { expect, test } from "vitest";
import { consistencyWith } from "./consistency.ts";

const answers = (...texts: string[]) => texts.map((text) => ({ answer: { text } }));

test("answers are compared with dense's, item by item", () => {
  const dense = answers("abcd", "one", "");
  expect(consistencyWith(dense, answers("abcd", "one", ""))).toEqual({ consistency: { same: 1, similarity: 1 } });
  const { consistency } = consistencyWith(dense, answers("abXd", "one", "xy"));
  expect(consistency!.same).toBeCloseTo(1 / 3);
  expect(consistency!.similarity).toBeCloseTo((0.75 + 1 + 0) / 3);
});

test("dense itself and answers of other kinds have no consistency", () => {
  const dense = answers("a");
  expect(consistencyWith(dense, dense)).toEqual({});
  expect(consistencyWith([{ answer: { order: ["a"] } }], [{ answer: { order: ["a"] } }])).toEqual({});
});
