import { expect, test } from "vitest";
import { WordVectors } from "../../../weights/vectors/word-vectors.ts";
import { WordMeans } from "./word-means.ts";

const words = ["a", "b", "c"];
const values = Float32Array.of(1, 0, 0, 2, 4, 4);
const means = new WordMeans(new WordVectors("small", "0", words, { rows: 3, width: 2, values }));

test("a text is the mean of the words that are known, or zeros", async () => {
  const { answers, usage } = await means.embed(["a B", "c unknown", "unknown"]);
  expect(answers.map((v) => [...v])).toEqual([[0.5, 1], [4, 4], [0, 0]]); // biome-ignore format: one line
  expect(usage.tokens.prompt).toBe(3);
});

test("costs two FLOPs a number of each known word, as an encoder's pooling does", async () => {
  const texts = ["a B", "c unknown", "unknown"];
  const { usage } = await means.embed(texts);
  expect(usage.flops).toEqual({ dense: 12, spent: 12, overhead: 0 });
  expect(means.price(texts).flops).toBe(12);
  expect(means.price([]).flops).toBe(0);
});

test("a call that costs more than it may, or was stopped, is refused", async () => {
  await expect(means.embed(["a b"], { ceiling: { flops: 7 } })).rejects.toThrow(/the texts cost 8\.000e\+0 FLOPs/);
  await expect(means.embed(["a"], { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
});
