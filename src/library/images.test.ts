import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../util/errors.ts";
import { load } from "./load.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../models/fixtures/${name}`, import.meta.url));
const image = fixture("pictures/wide.png");
const model = await load(fixture("clip"));
afterAll(() => model.dispose());

test("texts and images are embedded in their order, an image by its path or its bytes", async () => {
  const { embeddings, receipt } = await model.embed([{ image }, "a dog", { image: readFileSync(image) }]);
  expect(embeddings).toHaveLength(3);
  expect(embeddings[2]).toEqual(embeddings[0]);
  for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  const [alone] = (await model.embed(["a dog"])).embeddings;
  expect(embeddings[1]).toEqual(alone);
  const { tokens, work, flops } = receipt;
  expect(work?.["imageTokens"]).toEqual({ dense: 20, run: 20 });
  expect(tokens.prompt).toBeGreaterThan(20);
  expect(flops.spent).toBe(flops.dense);
});

test("an image is classified by any labels", async () => {
  const { results } = await model.classify([{ image }], { labels: ["a dog", "a red square", "the number 7"] });
  const { label, scores } = results[0]!;
  const values = Object.values(scores);
  expect(values.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  expect(scores[label]).toBe(Math.max(...values));
});

const stopped = AbortSignal.abort(new Error("stopped"));
const refused: readonly [string, () => Promise<unknown>, string | RegExp][] = [
  ["no labels", () => model.classify([{ image }]), /has no labels of its own; expected labels to choose among$/],
  ["an empty list of labels", () => model.classify([{ image }], { labels: [] }), "no labels are given"],
  ["a label twice", () => model.classify([{ image }], { labels: ["a", "b", "a"] }), 'the label "a" is given twice'],
  ["a text to classify", () => model.classify(["x"], { labels: ["a"] }), "classifies images; expected an image"],
  ["an empty text", () => model.embed([""]), "text 1 is empty, expected at least one character"],
  ["an id beyond the vocabulary", () => model.embed([[9999]]), "expected one or more token ids, 0 to 533, got 9999"],
  ["too high a cost", () => model.embed([{ image }], { ceiling: { flops: 1 } }), "the ceiling is 1.000e+0"],
  ["generation", () => model.complete("x"), "encodes images and texts; expected a model that generates"],
  ["relevance", () => model.relevance("x", ["y"]), "encodes images and texts; expected a text encoder"],
  ["an unknown key", () => model.embed([{ picture: image } as never]), /^embed's texts\.0/],
];

test.each(refused)("%s: one sentence", async (_, attempt, sentence) => {
  await expect(attempt()).rejects.toThrow(UserError);
  await expect(attempt()).rejects.toThrow(sentence);
});

test("a signal stops before the next image", async () => {
  await expect(model.embed([{ image }], { signal: stopped })).rejects.toThrow("stopped");
});

test("a classifier of images: its own labels or some of them, and vectors; no texts", async () => {
  using own = await load(fixture("vit"));
  const { results, receipt } = await own.classify([{ image }]);
  expect(Object.keys(results[0]!.scores)).toEqual(["a cat", "a dog", "a seven"]);
  expect(receipt.work?.["imageTokens"]).toEqual({ dense: 10, run: 10 });
  const { embeddings } = await own.embed([{ image }]);
  expect(Math.hypot(...embeddings[0]!)).toBeCloseTo(1, 5);
  await expect(own.embed(["x"])).rejects.toThrow("embeds images; expected an image, got a text");
  await expect(own.classify(["x"])).rejects.toThrow("classifies images; expected an image, got a text");
  await expect(own.complete("x")).rejects.toThrow("encodes images; expected a model that generates text");
  await expect(own.relevance("x", ["y"])).rejects.toThrow("reads only images; expected a text encoder");
});

test("a model of texts alone refuses images", async () => {
  using texts = await load(fileURLToPath(new URL("../engine/fixtures/sentences", import.meta.url)));
  const sentence = /reads only texts, but got an image; expected a model of images and texts, such as a CLIP$/;
  await expect(texts.embed([{ image }])).rejects.toThrow(sentence);
});
