/** Block-sparse prefill in the engine, on a tiny float32 model and on SmolLM2. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BlockSparsePrefill } from "../../../savings/attention/block-sparse/prefill.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";
import type { Lease } from "./recipes.ts";

type Totals = ReturnType<Meter["total"]>;
interface Prefill {
  logits: Float32Array;
  spent: Totals;
}

/** A model and its recipe. */
interface LeasedModel extends Disposable {
  readonly model: LanguageModel;
  readonly lease: Lease;
}

async function loaded(name: string, save: readonly string[], quant?: Quant): Promise<LeasedModel> {
  const model = await LanguageModel.load(await resolveModel(name), quant);
  const lease = await model.recipes.use(parseRecipe(save));
  return { model, lease, [Symbol.dispose]: () => model[Symbol.dispose]() };
}

/** Prefills a prompt after the first `keep` tokens of an earlier one. */
async function prefill(
  { model: { engine }, lease }: LeasedModel,
  prompt: readonly number[],
  keep = 0,
): Promise<Prefill> {
  const meter = new Meter(engine.programs);
  const plan = lease.plan(prompt.length);
  const slot = engine.acquire(prompt, plan);
  slot.truncate(keep);
  expect(slot.tokens.length).toBe(keep);
  try {
    return { logits: (await engine.prefill(slot, prompt, meter, plan)).slice(), spent: meter.total() };
  } finally {
    engine.release(slot);
  }
}

function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce(
    (worst, x, i) => (Number.isNaN(x - b[i]!) ? Number.POSITIVE_INFINITY : Math.max(worst, Math.abs(x - b[i]!))),
    0,
  );
}

const randomIds = (seed: number, count: number, vocabulary: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => Math.floor(random() * vocabulary));
};

const sparse = ({ lease }: LeasedModel) => lease.plan(Number.MAX_SAFE_INTEGER).attention(0) as BlockSparsePrefill;

describe("a tiny model in float32", () => {
  const path = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
  const open: LeasedModel[] = [];
  const load = async (...save: string[]) => {
    const model = await loaded(path, save);
    open.push(model);
    return model;
  };
  const step = (options: string) => {
    const fields = Object.fromEntries(options.split(",").map((pair) => pair.split("=")));
    const all = Object.entries({ blockSize: 8, stride: 4, minLengthForSparse: 0, ...fields });
    return `xattention:${all.map(([key, value]) => `${key}=${value}`).join()}`;
  };
  const prompt = randomIds(1, 203, 64);
  let dense: Prefill;
  beforeAll(async () => {
    dense = await prefill(await load(), prompt);
  });
  afterAll(() => {
    for (const model of open) model[Symbol.dispose]();
  });

  const expectDense = async (save: string) => {
    const { logits, spent } = await prefill(await load(save), prompt);
    expect(difference(logits, dense.logits)).toBeLessThanOrEqual(1e-5);
    expect(spent.flops.dense).toBe(dense.spent.flops.dense);
    if (spent.work["blocks"]) expect(spent.work["blocks"].run).toBe(spent.work["blocks"].dense);
  };

  test.each(["threshold=1", "threshold=2", "selection=ratio,ratio=1"])(
    "%s leaves the dense program, bit for bit",
    async (o) => {
      const model = await load(step(o));
      expect(sparse(model)).toBeUndefined();
      const same = await prefill(model, prompt);
      expect(difference(same.logits, dense.logits)).toBe(0);
      expect(same.spent).toEqual(dense.spent);
    },
  );

  test.each([
    "threshold=0.9999999",
    "threshold=0,firstDenseLayers=2",
    "threshold=0,lastDenseTokens=203",
    "threshold=0,minLengthForSparse=204",
    // A chunk has 16 blocks of queries: the prompt takes several chunks, or only part of one.
    "threshold=0.9999999,blockSize=4",
    "threshold=0.9999999,blockSize=128",
  ])("%s equals dense", async (options) => {
    await expectDense(step(options));
  });

  test("a window of tri-shape that holds the whole prompt equals dense", () =>
    expectDense("tri-shape:blockSize=8,minLengthForSparse=0,windowTokens=256"));

  test("a low threshold changes the result, spends less on attention, and says so", async () => {
    const model = await load(step("threshold=0.3"));
    const { logits, spent } = await prefill(model, prompt);
    expect(difference(logits, dense.logits)).toBeGreaterThan(1e-3);
    expect(spent.flops.dense).toBe(dense.spent.flops.dense);
    expect(spent.flops.overhead).toBeGreaterThan(0);
    expect(spent.flops.overhead).toBeLessThan(spent.flops.spent);
    const { heads, layers } = model.model.decoder.config;
    expect(spent.work["blocks"]!.dense).toBe((heads * layers * 26 * 27) / 2);
    expect(spent.work["blocks"]!.run).toBeLessThan(spent.work["blocks"]!.dense);
    const report = sparse(model).report;
    expect(report.map(({ layer, past }) => [past, layer])).toEqual([
      [0, 0],
      [0, 1],
      [128, 0],
      [128, 1],
    ]);
  });

  test("of whole blocks, the FLOPs of attention are dense's less the skipped blocks: what is spent besides scoring", async () => {
    const aligned = prompt.slice(0, 200);
    const model = await load(step("threshold=0.3"));
    const { spent } = await prefill(model, aligned);
    const full = await prefill(await load(step("threshold=0.9999999")), aligned);
    const skipped = spent.work["blocks"]!.dense - spent.work["blocks"]!.run;
    const headSize = model.model.decoder.config.headSize;
    const saved = full.spent.flops.spent - full.spent.flops.overhead - (spent.flops.spent - spent.flops.overhead);
    expect(saved).toBe(skipped * 4 * 8 * 8 * headSize);
  });

  test("with every block kept, spent less overhead is dense: the padding of a last block is overhead", async () => {
    for (const tokens of [200, 203]) {
      const { spent } = await prefill(await load(step("threshold=0.9999999")), prompt.slice(0, tokens));
      expect(spent.flops.spent - spent.flops.overhead).toBe(spent.flops.dense);
    }
  });

  test("a reused prefix, a multiple of the block or not, changes nothing", async () => {
    const model = await load(step("threshold=0.9999999"));
    await prefill(model, prompt);
    for (const keep of [64, 67, 129, 202])
      expect(difference((await prefill(model, prompt, keep)).logits, dense.logits)).toBeLessThanOrEqual(1e-5);
  });

  test("a reused prefix at a block's border gives the same sparse result", async () => {
    const model = await load(step("threshold=0.3"));
    const whole = await prefill(model, prompt);
    const resumed = await prefill(model, prompt, 128);
    expect(difference(resumed.logits, whole.logits)).toBeLessThanOrEqual(1e-5);
    expect(resumed.spent.work["blocks"]!.run).toBeLessThan(whole.spent.work["blocks"]!.run);
  });

  test("two prompts at once give what each gives alone", async () => {
    const model = await load(step("threshold=0.3"));
    const prompts = [prompt, randomIds(2, 180, 64), randomIds(3, 90, 64)];
    const alone: Prefill[] = [];
    for (const p of prompts) alone.push(await prefill(model, p));
    const together = await Promise.all(prompts.map((p) => prefill(model, p)));
    for (const [i, { logits, spent }] of together.entries()) {
      expect(difference(logits, alone[i]!.logits)).toBe(0);
      expect(spent).toEqual(alone[i]!.spent);
    }
  });

  test("a prompt that fills the context", async () => {
    const full = randomIds(4, 256, 64);
    const expected = await prefill(await load(), full);
    for (const blockSize of [8, 128]) {
      const { logits } = await prefill(await load(step(`threshold=0.9999999,blockSize=${blockSize}`)), full);
      expect(difference(logits, expected.logits)).toBeLessThanOrEqual(1e-5);
    }
  });
});

describe("SmolLM2", () => {
  const open = new Map<Quant, LeasedModel>();
  /** Loads one model per `quant`, however many recipes it runs. */
  const load = async (quant: Quant, ...save: string[]): Promise<LeasedModel> => {
    const model = open.get(quant) ?? (await loaded("smollm2", [], quant));
    open.set(quant, model);
    return { ...model, lease: await model.model.recipes.use(parseRecipe(save)) };
  };
  // 700 tokens of words that repeat and differ, so attention has structure to find.
  const text = Array.from({ length: 60 }, (_, i) => `Shelf ${i} holds ${(i * 7919) % 100} blue boxes.`).join(" ");
  let prompt: number[];
  let dense: Prefill;
  beforeAll(async () => {
    const model = await load("auto");
    prompt = model.model.encode(text, true);
    expect(prompt.length).toBeGreaterThan(600);
    dense = await prefill(model, prompt);
  });
  afterAll(() => {
    for (const model of open.values()) model[Symbol.dispose]();
  });

  // Activations are rounded to 8 bits before every product, so a last-bit difference in attention changes some of them
  // by a whole step. Two runs may then differ by the rounding errors of both; in float32, the tolerance is tight.
  test("every block kept through the sparse path: in float32 as dense, else as far as two roundings", async () => {
    const options = "xattention:blockSize=64,minLengthForSparse=0,threshold=0.9999999";
    const [exact, exactSparse] = [await load("f32"), await load("f32", options)];
    const reference = await prefill(exact, prompt);
    expect(difference((await prefill(exactSparse, prompt)).logits, reference.logits)).toBeLessThanOrEqual(1e-3);
    const rounding = 2 * difference(dense.logits, reference.logits);
    const model = await load("auto", options);
    const { logits, spent } = await prefill(model, prompt);
    expect(difference(logits, dense.logits)).toBeLessThanOrEqual(rounding);
    expect(spent.work["blocks"]!.run).toBe(spent.work["blocks"]!.dense);
    expect(spent.flops.dense).toBe(dense.spent.flops.dense);
    expect(likeliest(logits)).toBe(likeliest(dense.logits));
    const again = await prefill(model, prompt, 301);
    expect(difference(again.logits, dense.logits)).toBeLessThanOrEqual(rounding);
  }, 180_000);

  test("a threshold of 0.9 skips blocks and comes to the same token", async () => {
    const model = await load("auto", "xattention:blockSize=64,minLengthForSparse=0,threshold=0.9");
    const { logits, spent } = await prefill(model, prompt);
    expect(spent.work["blocks"]!.run / spent.work["blocks"]!.dense).toBeLessThan(0.9);
    expect(likeliest(logits)).toBe(likeliest(dense.logits));
    const { report } = sparse(model);
    expect(report.length).toBe(model.model.decoder.config.layers);
    for (const { keptMass } of report) for (const mass of keptMass) expect(mass!).toBeGreaterThanOrEqual(0.9 - 1e-6);
    expect(spent.flops.overhead).toBeLessThan(0.1 * spent.flops.spent);
  });
});

const likeliest = (logits: Float32Array) => logits.reduce((best, z, i) => (z > logits[best]! ? i : best), 0);
