import { expect, test } from "vitest";
import { guessedTokens, requestSizeOf } from "./request-size.ts";

test.each([
  ["a text", { prompt: "x".repeat(40) }, 1, 10],
  ["ids, which are counted", { prompt: [[1, 2, 3]] }, 1, 3],
  ["both, and the answers that are drawn", { prompt: ["x".repeat(40), [1, 2, 3]], n: 2, best_of: 5 }, 10, 13],
])("a completion's requested amounts: %s", (_, body, parts, tokens) => {
  const size = requestSizeOf("/v1/completions", body, "openai")!;
  expect([size.parts, guessedTokens(size)]).toEqual([parts, tokens]);
});

test("requested amounts for embeddings of texts and ids", () => {
  const size = requestSizeOf("/v1/embeddings", { input: ["x".repeat(40), [1, 2, 3]] }, "openai")!;
  expect([size.parts, guessedTokens(size)]).toEqual([2, 13]);
});
