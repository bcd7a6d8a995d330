import { expect, test } from "vitest";
import { unexpected } from "./review.ts";

const used = ["model.embed.weight", "model.layers.0.attn.q.weight", "model.layers.1.attn.q.weight"];

test.each([
  ["a further layer", "model.layers.2.attn.q.weight", true],
  ["a bias beside a used weight", "model.layers.0.attn.q.bias", true],
  ["a scale beside a used weight", "model.embed.weight_scale_inv", true],
  ["another weight in a used layer", "model.layers.1.attn.q_norm.weight", true],
  ["a buffer in a used layer", "model.layers.1.attn.rotary.inv_freq", false],
  ["another head", "classifier.dense.weight", false],
  ["layers of another stack", "decoder.layers.0.attn.q.weight", false],
  ["a used one", "model.embed.weight", false],
  ["a name without a module", "model", false],
])("%s", (_, name, wrong) => {
  expect(unexpected([...used, name], new Set(used))).toEqual(wrong ? [name] : []);
});
