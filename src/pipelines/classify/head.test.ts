import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { smallEmbedder, smallHead } from "./embedder.testing.ts";
import { HeadModel, readHead, writeHead } from "./head.ts";

const embedder = smallEmbedder();
const head = smallHead(embedder);

test("a written head reads back, to float32", async () => {
  const file = join(tempFolder(), "head.json");
  await writeHead(file, head);
  expect(readHead(file)).toEqual(head);
});

test("gives each text its logits, and bills the embedding and itself", async () => {
  const model = new HeadModel(embedder, head);
  const { answers, usage } = await model.logits(["good", "bad so", "unknown"]);
  expect(answers.map((z) => [...z])).toEqual([
    [-1.75, 1.75],
    [1.25, -1.25],
    [0.25, -0.25],
  ]);
  // Means of 3 known words with 4 numbers each; a head for 3 texts, 2 labels and 4 numbers. Adding a bias is not
  // counted.
  const flops = 3 * 4 * 2 + 3 * 2 * 4 * 2;
  expect(usage.flops).toEqual({ dense: flops, spent: flops, overhead: 0 });
  expect(model.price(["good", "bad so", "unknown"]).flops).toBe(flops);
  expect(model.price([]).flops).toBe(0);
});

describe("refused", () => {
  test.each([
    ["another model", smallEmbedder("other"), "the head was trained for small (aaaaaaaaaaaa), but the model is other"],
    ["other weights", smallEmbedder("small", "b"), "but the model is small (bbbbbbbbbbbb)"],
  ])("%s", (_, other, message) => {
    expect(() => new HeadModel(other, head)).toThrow(message);
  });

  test.each([
    ["another kind of file", { kind: "exit-head" }, /"kind": expected "label-head", got "exit-head"/],
    ["too few weights", { weights: "AAAAAA==" }, /"weights": expected labels × width numbers/],
    ["a bias too many", { labels: ["a", "b", "c"] }, /expected/],
    ["one label", { labels: ["a"] }, /"labels": expected two labels or more/],
    ["no numbers", { weights: "?" }, /"weights": expected float32 numbers in base64, got "\?"/],
  ])("%s", async (_, change, message) => {
    const file = join(tempFolder(), "head.json");
    await writeHead(file, head);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    expect(() => readHead(file)).toThrow(message);
  });

  test("a missing file", () => {
    expect(() => readHead("none.json")).toThrow("none.json: there is no such file, expected a label head");
  });
});
