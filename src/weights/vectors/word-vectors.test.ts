import { expect, test } from "vitest";
import { openGlove } from "./glove.ts";
import { WordVectors } from "./word-vectors.ts";

const words = ["do", "n't", "can", "i", "card", "'s", ".", "1,000.50", "café"];
const vectors = new WordVectors("small", "0", words, {
  rows: words.length,
  width: 2,
  values: Float32Array.from(words.flatMap((_, i) => [i, -i])),
});

test.each([
  ["I don't.", ["i", "do", "n't", "."]],
  ["Can\u2019t I?", ["n't", "i"]],
  ["the card's café", ["card", "'s", "café"]],
  ["1,000.50", ["1,000.50"]],
  ["", []],
])("%j", (text, expected) => {
  expect(vectors.places(text).map((place) => words[place])).toEqual(expected);
});

test("a word's vector is its row", () => {
  expect([...vectors.vector(3)]).toEqual([3, -3]);
});

test("GloVe 6B: 50 numbers for each of 400,000 words, as published", async () => {
  const glove = await openGlove();
  const [the] = glove.places("The");
  expect([...glove.vector(the!)].slice(0, 3).map((v) => v.toFixed(5))).toEqual(["0.41800", "0.24968", "-0.41242"]);
  expect([glove.width, glove.places("zzxqv")]).toEqual([50, []]);
});
