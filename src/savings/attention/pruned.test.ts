/** Block-sparse savings and `prune` in one recipe, in the engine. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Meter } from "../../engine/bill/meter.ts";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import { seededRandom } from "../../util/random.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { parseRecipe } from "../recipe.ts";

const file = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
const random = seededRandom(1);
const prompt = Array.from({ length: 203 }, () => Math.floor(random() * 64));
const sizes = "blockSize=8,stride=4,minLengthForSparse=0";
const prune = "prune:after=1,keep=0.5,by=random,last=8,minLength=2";

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(file));
});
afterAll(() => model[Symbol.dispose]());

async function prefill(...recipe: string[]) {
  using lease = await model.recipes.use(parseRecipe(recipe));
  const { engine } = model;
  const [plan, meter] = [lease.plan(prompt.length), new Meter(engine.programs)];
  const slot = engine.acquireEmpty(prompt, plan);
  try {
    const logits = (await engine.prefill(slot, prompt, meter, plan)).slice();
    return { logits, spent: meter.total(), entries: [0, 1].map((layer) => slot.group(layer).length) };
  } finally {
    engine.release(slot);
  }
}

const difference = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

test("every block kept: what prune alone gives", async () => {
  const pruned = await prefill(prune);
  const both = await prefill(prune, `xattention:${sizes},threshold=0.9999999`);
  expect(difference(both.logits, pruned.logits)).toBeLessThanOrEqual(1e-5);
  expect(both.entries).toEqual(pruned.entries);
  expect(both.entries[0]).toBe(203);
  expect(both.entries[1]).toBeLessThan(110);
});

test.each([
  `xattention:${sizes},threshold=0.3`,
  "tri-shape:blockSize=8,minLengthForSparse=0,sinkTokens=8,windowTokens=16",
])("%s: blocks of the kept tokens are run, dense's are the whole prompt's", async (saving) => {
  const { heads, layers } = model.decoder.config;
  const alone = await prefill(saving);
  const both = await prefill(prune, saving);
  const dense = (heads * layers * 26 * 27) / 2;
  expect(alone.spent.work["blocks"]!.dense).toBe(dense);
  expect(both.spent.work["blocks"]!.dense).toBe(dense);
  expect(both.spent.work["blocks"]!.run).toBeLessThan(alone.spent.work["blocks"]!.run);
  expect(both.spent.flops.dense).toBe(alone.spent.flops.dense);
  expect(both.spent.flops.spent).toBeLessThan(alone.spent.flops.spent);
});
