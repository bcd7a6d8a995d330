import { expect, test } from "vitest";
import { guessedTokens, orderOf } from "./order.ts";

test.each([
  ["a text", { prompt: "x".repeat(40) }, 1, 10],
  ["ids, which are counted", { prompt: [[1, 2, 3]] }, 1, 3],
  ["both, and the answers that are drawn", { prompt: ["x".repeat(40), [1, 2, 3]], n: 2, best_of: 5 }, 10, 13],
])("what a completion asks for: %s", (_, body, parts, tokens) => {
  const order = orderOf("/v1/completions", body, "openai")!;
  expect([order.parts, guessedTokens(order)]).toEqual([parts, tokens]);
});

test("what embeddings of texts and ids ask for", () => {
  const order = orderOf("/v1/embeddings", { input: ["x".repeat(40), [1, 2, 3]] }, "openai")!;
  expect([order.parts, guessedTokens(order)]).toEqual([2, 13]);
});
