/** Tokens that exit after a layer, on a tiny float32 model. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRecipe } from "../../../savings/recipe.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";
import type { Slot } from "../state/slot.ts";
import { tokenLogits } from "./stepped.ts";

const path = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));

let model: LanguageModel;
let layers: number;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(path), "f32");
  layers = model.decoder.config.layers;
});
afterAll(() => model[Symbol.dispose]());

const random = seededRandom(3);
const ids = (n: number) => Array.from({ length: n }, () => 3 + Math.floor(random() * 60));

interface Ran {
  readonly logits: Float32Array[];
  readonly spent: ReturnType<Meter["total"]>;
}

/** Logits after a prompt and after each following token, with a recipe. */
async function run(prompt: readonly number[], next: readonly number[], ...save: string[]): Promise<Ran> {
  const { engine, recipes } = model;
  using lease = await recipes.use(parseRecipe(save));
  const plan = lease.plan(prompt.length);
  engine.forget();
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  try {
    const logits = [(await engine.prefill(slot, prompt, meter, plan)).slice()];
    for (const token of next) logits.push((await engine.step(slot, token, meter, plan)).slice());
    return { logits, spent: meter.total() };
  } finally {
    engine.release(slot);
  }
}

const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));
};

const prompt = ids(40);
const next = ids(12);

test.each(["exit:layer=LAST", "exit:layer=1,mode=random,rate=0"])("%s is dense, bit for bit", async (text) => {
  const dense = await run(prompt, next);
  const same = await run(prompt, next, text.replace("LAST", `${layers}`));
  expect(worst(same.logits, dense.logits)).toBe(0);
  expect(same.spent).toEqual(dense.spent);
});

test("a fixed layer: the prompt runs whole, each token a part of the layers, and the receipt says so", async () => {
  const dense = await run(prompt, next);
  const early = await run(prompt, next, "exit:layer=1");
  expect(worst(early.logits.slice(0, 1), dense.logits.slice(0, 1))).toBe(0);
  expect(worst(early.logits.slice(1), dense.logits.slice(1))).toBeGreaterThan(1e-3);
  expect(early.spent.flops.dense).toBe(dense.spent.flops.dense);
  expect(early.spent.flops.spent).toBeLessThan(dense.spent.flops.spent);
  expect(early.spent.flops.overhead).toBe(0);
  expect(early.spent.work).toEqual({
    layers: { dense: layers * (next.length + 1), run: layers + next.length },
    exits: { dense: 0, run: next.length },
  });
});

test("logits at an exit equal those from a model of these layers alone", async () => {
  const { engine } = model;
  const { programs } = engine;
  const early = await run(prompt, next.slice(0, 1), "exit:layer=1");
  // The same prefix through the first layer only, then the head.
  await programs.prepareCuts([1]);
  const slot: Slot = engine.acquireEmpty();
  slot.split(1);
  const all = [...prompt, next[0]!];
  const positions = all.map((_, i) => i);
  const { embedTokens } = await import("./chunk-run.ts");
  await embedTokens(programs, slot.buffers, slot.lengthsFrom(0), all, { entries: 0, positions: 0 });
  const done = await slot.pass({ from: 0, to: 1 }, positions, {});
  const logits = await slot.logitsOf(slot.buffers.stream(done, { rows: 1, tokens: 1, at: all.length - 1 }));
  expect(worst([logits], early.logits.slice(1))).toBeLessThan(1e-5);
  slot.truncate(0);
  engine.release(slot);
});

describe("random exits", () => {
  test("with recompute: a token that goes through all layers has dense's logits", async () => {
    const dense = await run(prompt, next);
    const meter = await run(prompt, next, "exit:layer=1,mode=random,rate=0.5,seed=4,fill=recompute");
    const whole = dense.logits.flatMap((row, r) => (worst([row], [meter.logits[r]!]) < 1e-5 ? [r] : []));
    // Some tokens exited and were recomputed; some ran through all layers.
    expect(whole.length).toBeGreaterThan(2);
    expect(whole.length).toBeLessThan(next.length + 1);
    const { layers: counted } = meter.spent.work;
    expect(counted!.dense).toBe(layers * (next.length + 1));
    expect(counted!.run).toBeLessThanOrEqual(counted!.dense);
  });

  test("more tokens than are held back: all deeper layers see them in time", async () => {
    const many = ids(200);
    const short = ids(4);
    // All tokens exit, except when too many are held back.
    const { spent } = await run(short, many, "exit:layer=1,mode=random,rate=1,fill=recompute");
    expect(spent.work["layers"]!.run).toBe(layers + many.length);
  });

  test.each(["copy-kv", "copy-hidden", "mask"])(
    "with %s: tokens before the first exit are dense's, later ones near them",
    async (fill) => {
      const dense = await run(prompt, next);
      const { logits, spent } = await run(prompt, next, `exit:layer=1,mode=random,rate=0.4,seed=5,fill=${fill}`);
      const equal = logits.map((row, r) => worst([row], [dense.logits[r]!]) < 1e-5);
      const first = equal.indexOf(false);
      expect(first).toBeGreaterThan(0);
      expect(equal.slice(first)).not.toEqual(equal.slice(first).map(() => true));
      for (const row of logits) expect(row.every(Number.isFinite)).toBe(true);
      expect(spent.flops.overhead > 0).toBe(fill === "copy-hidden");
    },
  );

  test("the same seed gives the same exits, another others", async () => {
    const of = (seed: number) => run(prompt, next, `exit:layer=1,mode=random,rate=0.5,seed=${seed},fill=mask`);
    const [one, again, other] = [await of(1), await of(1), await of(2)];
    expect(worst(one.logits, again.logits)).toBe(0);
    expect(worst(one.logits, other.logits)).toBeGreaterThan(1e-4);
  });
});

test("copied keys and values equal the exit layer's, entry by entry", async () => {
  const { engine, recipes } = model;
  using lease = await recipes.use(parseRecipe(["exit:layer=1,mode=random,rate=1,fill=copy-kv"]));
  const plan = lease.plan(prompt.length);
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  await engine.prefill(slot, prompt, meter, plan);
  for (const token of next) await engine.step(slot, token, meter, plan);
  const { headSize, kvHeads } = model.decoder.config;
  const read = (layer: number, head: number, entry: number) => {
    const { key, value, offset } = slot.cache.place(layer, head, entry);
    return [key, value].map(({ memory }) => [...new Float32Array(memory, 4 * offset, headSize)]);
  };
  for (let head = 0; head < kvHeads; head++)
    for (let entry = prompt.length; entry < prompt.length + next.length; entry++)
      for (let layer = 1; layer < layers; layer++) expect(read(layer, head, entry)).toEqual(read(0, head, entry));
  engine.release(slot);
});

test("rows under different recipes step together, each with its own logits and bill", async () => {
  const { engine, recipes } = model;
  const texts = ["dense", "exit:layer=1", "exit:layer=1,mode=random,rate=0.5,seed=7,fill=recompute", "dense"];
  const prompts = texts.map((_, i) => ids(20 + 7 * i));
  const alone: Ran[] = [];
  for (const [i, text] of texts.entries()) alone.push(await run(prompts[i]!, next, text));
  engine.forget();
  const rows = [];
  for (const [i, text] of texts.entries()) {
    const lease = await recipes.use(parseRecipe([text]));
    const plan = lease.plan(prompts[i]!.length);
    const slot = engine.acquire(prompts[i]!, plan);
    const meter = new Meter(engine.programs);
    const logits = [(await engine.prefill(slot, prompts[i]!, meter, plan)).slice()];
    rows.push({ slot, plan, meter, lease, logits });
  }
  for (const token of next) {
    const results = await engine.stepAll(rows.map(({ slot, plan, meter }) => ({ slot, plan, meter, token })));
    for (const [i, { logits }] of rows.entries()) logits.push(tokenLogits(results[i]!).slice());
  }
  for (const [i, { slot, meter, lease, logits }] of rows.entries()) {
    expect(worst(logits, alone[i]!.logits)).toBeLessThan(1e-5);
    expect(meter.total()).toEqual(alone[i]!.spent);
    engine.release(slot);
    lease[Symbol.dispose]();
  }
});

test("answers that left early are never offered: a prompt that goes on from one runs it again", async () => {
  const { engine, recipes } = model;
  using lease = await recipes.use(parseRecipe(["exit:layer=1"]));
  engine.forget();
  const plan = lease.plan(prompt.length);
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  await engine.prefill(slot, prompt, meter, plan);
  for (const token of next) await engine.step(slot, token, meter, plan);
  const longer = [...prompt, ...next, 9];
  expect(engine.slots.reusable(longer, "")).toBe(prompt.length);
  engine.release(slot);
  const again = engine.acquire(longer);
  expect(again.tokens.length).toBe(prompt.length);
  expect(again.groups.length).toBe(1);
  engine.release(again);
});

test.each([
  ["exit", "exit: no layer has been shown to be deep enough on this model; choose one, such as exit:layer=20"],
  ["exit:mode=random", "exit: expected a layer, such as exit:layer=20"],
  ["exit:layer=0", "exit: layer: expected a whole number of at least 1, got 0"],
  ["exit:layer=99", `exit: there is no layer 99; the model's last is layer`],
  ["exit:layer=1,rate=2", "exit: rate: expected a number between 0 and 1, got 2"],
  [
    "exit:layer=1,fill=none",
    "exit: fill: expected one of copy-kv, copy-hidden, recompute, mask, ssm-partial, ssm-skip, verify",
  ],
])("%s is refused in one sentence", async (text, sentence) => {
  const attempt = async () => model.recipes.use(parseRecipe([text]));
  await expect(attempt()).rejects.toThrow(sentence);
});

test("a saving that is given twice is refused by name", async () => {
  const both = ["exit:layer=1", "exit:layer=1,mode=random,rate=0.5"];
  await expect(model.recipes.use(parseRecipe(both))).rejects.toThrow(
    "exit is given twice; a recipe can have only one of them",
  );
});

test("answers may leave at the layer after which prompts are pruned", async () => {
  using lease = await model.recipes.use(parseRecipe(["exit:layer=1", "prune:after=1,minLength=2,sinks=0,last=1"]));
  expect(lease.plan(40).cuts.map(({ after, scope }) => [after, scope])).toEqual([
    [1, "step"],
    [1, "prompt"],
  ]);
});
