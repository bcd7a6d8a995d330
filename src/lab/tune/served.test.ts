import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { mean } from "../../util/mean.ts";
import { TINY } from "../run/run.testing.ts";
import type { ServedItem } from "./items.ts";
import { ModelServing } from "./served.ts";

let model: Model;
let serving: ModelServing;
beforeAll(async () => {
  model = await load(TINY, { quant: "f32" });
  serving = await ModelServing.open(model, 0.8);
});
afterAll(() => {
  serving[Symbol.dispose]();
  model.dispose();
});

const items = Array.from({ length: 60 }, (_, i): ServedItem => {
  const prompt = `${"abc ".repeat(1 + (i % 7))}${i}`;
  const id = createHash("sha256").update(prompt).digest("hex");
  return { ...{ id, group: id, prompt }, tokens: 8, stop: [], maxTokens: 12 };
});

/** By how many nats per token dense finds a recipe's drawn answers less likely than the recipe does. */
async function excesses(recipe: string): Promise<number[]> {
  const results: number[] = [];
  for (const item of items) results.push(...(await serving.excess(item, [await serving.answer(recipe, item, true)])));
  return results;
}

test("draws of a recipe that equals dense are as likely under dense", async () => {
  for (const recipe of ["dense", "lookup:match=1,tokens=8"])
    expect(Math.max(...(await excesses(recipe)).map(Math.abs))).toBeLessThan(1e-4);
});

test("draws of a recipe with other logits are less likely under dense, on average", async () => {
  const values = await excesses("exit:layer=1");
  const deviation = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
  expect(mean(values)).toBeGreaterThan((3 * deviation) / Math.sqrt(values.length));
});

test("sampling is the same with and without log-probabilities; greedy answers have none", async () => {
  const plain = await serving.answer("dense", items[3]!);
  const { own, ...scored } = await serving.answer("dense", items[3]!, true);
  expect(plain.own).toBeUndefined();
  expect([scored.text, scored.tokens]).toEqual([plain.text, plain.tokens]);
  expect(own).toBeLessThan(0);
  using greedy = await ModelServing.open(model, 0);
  expect((await greedy.answer("dense", items[3]!, true)).own).toBeUndefined();
});

test("a saving that ends a drawn answer was certain of the end, which has its likelihood under dense", async () => {
  const served = await serving.answer("dense", items[3]!, true);
  const [whole] = await serving.excess(items[3]!, [served]);
  const [stopped] = await serving.excess(items[3]!, [{ ...served, reason: "stopped" }]);
  expect(stopped).toBeGreaterThan(whole!);
});

test("with a model's own settings, penalties count the answer so far, on both sides", async () => {
  using penalised = await load(TINY, { quant: "f32" });
  const settings = { temperature: 0.8, topP: 0.9, topK: 20, repetitionPenalty: 1.4 };
  Object.defineProperty(penalised.loaded, "sampling", { value: { settings, from: "a test" } });
  using own = await ModelServing.open(penalised, undefined);
  for (const item of items.slice(0, 8)) {
    const served = await own.answer("dense", item, true);
    const [excess] = await own.excess(item, [served]);
    expect(Math.abs(excess!)).toBeLessThan(1e-4);
  }
});
