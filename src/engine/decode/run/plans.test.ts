/** Many plans on one loaded model, SmolLM2 in float32: 30 layers, with cuts within one block and in several blocks. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseRecipe } from "../../../savings/recipe.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";
import { tokenLogits } from "./stepped.ts";

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel("smollm2"), "f32");
});
afterAll(() => model[Symbol.dispose]());

const prompts = [0, 1, 2, 3, 4].map((p) =>
  Array.from({ length: 70 + 5 * p }, (_, i) => 100 + ((i * 37 + p * 11) % 900)),
);
const next = [400, 500, 600];
const recipes = [
  ["dense"],
  ["exit:layer=6"],
  ["exit:layer=8,mode=random,rate=0.5,seed=3,fill=copy-hidden"],
  ["prune:after=7,keep=0.5,minLength=8,last=8", "exit:layer=21"],
  [
    "prune:after=3,keep=0.7,by=random,minLength=8",
    "prune:after=12,keep=0.6,minLength=8,last=8",
    "xattention:threshold=0.9,blockSize=16,stride=4,minLengthForSparse=8",
  ],
];

async function begin(i: number) {
  const { engine } = model;
  const lease = await model.recipes.use(parseRecipe(recipes[i]!));
  const prompt = prompts[i]!;
  const plan = lease.plan(prompt.length);
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  const logits = [(await engine.prefill(slot, prompt, meter, plan)).slice()];
  return { lease, plan, slot, meter, logits };
}

const worst = (a: Float32Array, b: Float32Array) => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

test("five plans step together as each does alone, with the same bills", { timeout: 240_000 }, async () => {
  const { engine } = model;
  const alone = [];
  for (const i of recipes.keys()) {
    engine.forget();
    const row = await begin(i);
    for (const token of next) row.logits.push((await engine.step(row.slot, token, row.meter, row.plan)).slice());
    alone.push({ logits: row.logits, spent: row.meter.total() });
    engine.release(row.slot);
    row.lease[Symbol.dispose]();
  }
  engine.forget();
  const rows = [];
  for (const i of recipes.keys()) rows.push(await begin(i));
  expect(new Set(rows.map(({ slot }) => engine.slots.batches.findIndex((b) => b.slots.includes(slot)))).size).toBe(1);
  for (const token of next) {
    const results = await engine.stepAll(rows.map(({ slot, meter, plan }) => ({ slot, meter, plan, token })));
    for (const [i, { logits }] of rows.entries()) logits.push(tokenLogits(results[i]!).slice());
  }
  for (const [i, { slot, meter, logits, lease }] of rows.entries()) {
    for (const [step, row] of logits.entries()) expect(worst(row, alone[i]!.logits[step]!)).toBeLessThan(1e-3);
    expect(meter.total()).toEqual(alone[i]!.spent);
    engine.release(slot);
    lease[Symbol.dispose]();
  }
  const [, , , both, three] = alone;
  expect(both!.spent.work).toEqual({
    exits: { dense: 0, run: 3 },
    tokens: { dense: 85, run: 43 },
    layers: { dense: 120, run: 30 + 3 * 21 },
  });
  expect(Object.keys(three!.spent.work).sort()).toEqual(["blocks", "tokens"]);
  expect(three!.spent.flops.spent).toBeLessThan(three!.spent.flops.dense);
});

test("the layers that a cut lets through hold what was kept, each group its own", async () => {
  const { slot, lease } = await begin(4);
  const lengths = slot.groups.map(({ layers, length }) => [layers.from, layers.to, length]);
  expect(lengths).toEqual([
    [0, 3, 90],
    [3, 12, 63],
    [12, 30, 38],
  ]);
  model.engine.release(slot);
  expect(slot.groups.length).toBe(1);
  expect(slot.tokens.length).toBe(0);
  lease[Symbol.dispose]();
});
