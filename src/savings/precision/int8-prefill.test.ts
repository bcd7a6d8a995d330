/** Prompts in 8-bit arithmetic, on a model with four layers. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Meter } from "../../engine/bill/meter.ts";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import type { Engine } from "../../engine/decode/run/engine.ts";
import { openAdapted } from "../../engine/file/adapters.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { densePlan, type Plan, planOf } from "../plan.ts";
import { checkSeams, parseRecipe } from "../recipe.ts";
import type { SavingHost } from "../seams.ts";

const processor = vi.hoisted(() => ({ multipliesBytes: vi.fn(() => true) }));
vi.mock("../../runtime/processor.ts", async (original) => ({ ...(await original<object>()), ...processor }));
vi.mock("../../weights/prepared/hadamard.ts", async (original) => {
  const { rotated } = await original<typeof import("../../weights/prepared/hadamard.ts")>();
  return { rotated: vi.fn(rotated) };
});
const { int8Prefill } = await import("./int8-prefill.ts");
const hadamard = vi.mocked(await import("../../weights/prepared/hadamard.ts"));
const { multipliesBytes } =
  await vi.importActual<typeof import("../../runtime/processor.ts")>("../../runtime/processor.ts");

/** On other processors, sums of byte products overflow, whatever the mock reports. */
const exact = test.skipIf(!multipliesBytes());

const folder = fileURLToPath(new URL("../../../packages/models/expertrag-world", import.meta.url));
/** The width of the model's feed-forward network. */
const FFN = 512;
let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(folder), "f32");
});
afterAll(() => model[Symbol.dispose]());

const host = (): SavingHost => ({ decoder: model.decoder, hash: async () => "" });

async function planFor(prompt: number, options: object = {}): Promise<Plan> {
  using prepared = await int8Prefill.prepare(int8Prefill.options.parse(options), host());
  const part = prepared!.plan({ prompt, visual: [] });
  return part ? planOf([part]) : densePlan;
}

const text = Array.from({ length: 90 }, (_, i) => (i * 37) % 200);

/** Logits after a prompt, and its bill. */
async function logitsUnder(plan: Plan, prompt = text, { engine }: Pick<LanguageModel, "engine"> = model) {
  await engine.prepare(plan);
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  const logits = (await engine.prefill(slot, prompt, meter, plan)).slice();
  engine.release(slot);
  return { logits, bill: meter.total() };
}

const error = (got: Float32Array, expected: Float32Array) =>
  Math.hypot(...got.map((v, i) => v - expected[i]!)) / Math.hypot(...expected);

exact("logits are near dense's and not the same; the bill tells the tokens and fewer bytes", async () => {
  const dense = await logitsUnder(densePlan);
  const bytes = await logitsUnder(await planFor(text.length));
  expect(error(bytes.logits, dense.logits)).toBeLessThan(0.05);
  expect(error(bytes.logits, dense.logits)).toBeGreaterThan(0);
  expect(bytes.bill.work["int8Tokens"]).toEqual({ dense: 0, run: text.length });
  expect(bytes.bill.flops.spent - bytes.bill.flops.overhead).toBeCloseTo(dense.bill.flops.spent, -1);
  expect(bytes.bill.bytes.spent).toBeLessThan(bytes.bill.bytes.dense);
});

exact("two digits are a hundred times as near", async () => {
  const dense = await logitsUnder(densePlan);
  const one = error((await logitsUnder(await planFor(text.length))).logits, dense.logits);
  const two = error((await logitsUnder(await planFor(text.length, { digits: "2" }))).logits, dense.logits);
  expect(two).toBeLessThan(one / 50);
  expect(two).toBeGreaterThan(0);
});

exact("rotated, logits are as near, and the rotation is overhead beside dense's FLOPs", async () => {
  const dense = await logitsUnder(densePlan);
  const [plain, turned] = [await planFor(text.length, { rotation: "0" }), await planFor(text.length)];
  const [one, other] = [await logitsUnder(plain), await logitsUnder(turned)];
  expect(error(other.logits, dense.logits)).toBeLessThan(0.05);
  expect(other.logits).not.toEqual(one.logits);
  // qkv, the attention output, gate with up, and down; no products after the last layer's attention.
  const { hidden, layers } = model.decoder.config;
  const inputs = 3 * hidden + FFN;
  const rotation = 2 * 32 * text.length * (layers * inputs - 2 * hidden - FFN);
  expect(other.bill.flops.overhead - one.bill.flops.overhead).toBeCloseTo(rotation, -1);
  expect(other.bill.flops.spent - other.bill.flops.overhead).toBeCloseTo(dense.bill.flops.spent, -1);
  expect(one.bill.flops.overhead).toBeCloseTo(0, -1);
});

exact("the rotation is overhead also if other tokens are saved", async () => {
  const bill = async (recipe: string[]) => {
    using lease = await model.use(parseRecipe(recipe));
    return (await logitsUnder(lease.plan(text.length))).bill.flops;
  };
  const prune = "prune:after=2,keep=0.5,minLength=2,by=recent";
  const [plain, turned] = [await bill(["int8-prefill:rotation=0", prune]), await bill(["int8-prefill", prune])];
  expect(turned.spent).toBeLessThan(turned.dense);
  expect(turned.overhead - plain.overhead).toBeCloseTo(turned.spent - plain.spent, -1);
  expect(turned.overhead).toBeGreaterThan(plain.overhead);
});

exact("the identity in place of the rotation gives the bits of none", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  hadamard.rotated.mockImplementation((values) => Float32Array.from(values));
  try {
    using other = await LanguageModel.load(await resolveModel(folder), "f32");
    const under = async (options: object) => logitsUnder(await planFor(text.length, options), text, other);
    const turned = await under({});
    expect(hadamard.rotated).toHaveBeenCalled();
    expect(turned.logits).toEqual((await under({ rotation: "0" })).logits);
  } finally {
    hadamard.rotated.mockReset();
  }
});

exact("one home holds both forms: unrotated, then rotated, and both in one model", async () => {
  const plans = [await planFor(text.length, { rotation: "0" }), await planFor(text.length)];
  const expected = [await logitsUnder(plans[0]!), await logitsUnder(plans[1]!)];
  withEnv({ MODICUM_HOME: tempFolder() });
  for (const some of [[0], [1], [1, 0]]) {
    using other = await LanguageModel.load(await resolveModel(folder), "f32");
    for (const i of some) expect((await logitsUnder(plans[i]!, text, other)).logits).toEqual(expected[i]!.logits);
  }
});

exact("an adapter reads what is not rotated", async () => {
  const base = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
  const adapter = fileURLToPath(new URL("../../weights/adapter/fixtures/llama-gguf", import.meta.url));
  const files = await openAdapted(base, { adapters: { poet: adapter } });
  using own = await LanguageModel.load(await resolveModel(base), "f32", files);
  const prompt = text.slice(0, 40).map((id) => id % 60);
  const logits = async (plan: Plan, engine: Engine) => (await logitsUnder(plan, prompt, { engine })).logits;
  const poet = own.engineFor("poet");
  const [plain, dense] = [await logits(densePlan, own.engine), await logits(densePlan, poet)];
  for (const rotation of ["0", "32"]) {
    const bytes = await logits(await planFor(prompt.length, { digits: "2", rotation }), poet);
    expect(bytes).not.toEqual(dense);
    expect(error(plain, dense)).toBeGreaterThan(100 * error(bytes, dense));
  }
});

test("shorter prompts are dense to the bit", async () => {
  const dense = await logitsUnder(densePlan);
  for (const rotation of ["0", "32"]) {
    const plan = await planFor(text.length, { minLength: text.length + 1, rotation });
    expect(plan).toBe(densePlan);
    expect((await logitsUnder(plan)).logits).toEqual(dense.logits);
  }
});

exact("with pruned tokens or exits, and never twice", async () => {
  const recipe = parseRecipe(["int8-prefill", "prune:after=2,keep=0.5,minLength=2,by=recent"]);
  checkSeams(recipe);
  using lease = await model.use(recipe);
  const { bill } = await logitsUnder(lease.plan(text.length));
  expect(bill.work["tokens"]!.run).toBeLessThan(bill.work["tokens"]!.dense);
  expect(bill.work["int8Tokens"]!.run).toBe(text.length);
  using exits = await model.use(parseRecipe(["int8-prefill", "exit:layer=2"]));
  expect((await logitsUnder(exits.plan(text.length))).bill.work["int8Tokens"]!.run).toBe(text.length);
  const twice = parseRecipe(["int8-prefill", "int8-prefill:digits=2"]);
  expect(() => checkSeams(twice)).toThrow("int8-prefill is given twice; a recipe can have only one of them");
});

exact.each(["rotation=0", "rotation=32"])(
  "%s beside sparse attention, whose programs are also in bytes",
  async (option) => {
    const under = async (recipe: string[]) => {
      using lease = await model.use(parseRecipe(recipe));
      return logitsUnder(lease.plan(text.length));
    };
    const all = "xattention:threshold=0.9999999,stride=4,blockSize=8,minLengthForSparse=8";
    const [sparse, bytes] = [await under([all]), await under([`int8-prefill:${option}`])];
    const both = await under([`int8-prefill:${option}`, all]);
    // All blocks are kept, so attention equals dense's up to float error, which rounding to bytes may enlarge.
    expect(error(sparse.logits, bytes.logits)).toBeGreaterThan(4 * error(both.logits, bytes.logits));
    expect(both.bill.work["int8Tokens"]!.run).toBe(text.length);
    expect(both.bill.work["blocks"]).toEqual(sparse.bill.work["blocks"]);
    const more = bytes.bill.flops.overhead;
    expect(both.bill.flops.overhead).toBeCloseTo(sparse.bill.flops.overhead + more, -1);
    expect(both.bill.flops.spent).toBeCloseTo(sparse.bill.flops.spent + more, -1);
  },
);

test("a prefix is reused under the same recipe only", async () => {
  const { engine } = model;
  const plan = await planFor(text.length);
  await logitsUnder(plan);
  for (const [other, held] of [
    [densePlan, 0],
    [await planFor(text.length, { rotation: "0" }), 0],
    [plan, text.length - 1],
  ] as const) {
    const slot = engine.acquire(text, other);
    expect(slot.tokens).toHaveLength(held);
    engine.release(slot);
    if (held === 0) await logitsUnder(plan);
  }
});

test("models and processors that it does not serve", async () => {
  const { config } = model.decoder;
  const recurrent = { ...model.decoder, config: { ...config, recurrent: () => 10 } } as never;
  expect(int8Prefill.unsupported(recurrent)).toContain("recurrent layers");
  const mixed = { ...model.decoder, config: { ...config, experts: { count: 4, active: 2 } } } as never;
  expect(int8Prefill.unsupported(mixed)).toContain("experts");
  processor.multipliesBytes.mockReturnValueOnce(false);
  await expect(int8Prefill.check(int8Prefill.options.parse({}), host())).rejects.toThrow("byte dot products");
});
