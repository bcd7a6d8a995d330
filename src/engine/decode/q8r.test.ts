/** A decoder whose layers are stored only as rotated bytes, for prompts and decode steps. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { densePlan } from "../../savings/plan.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { chosenRotated, KNOWN } from "../../weights/prepared/chosen.testing.ts";
import { formOfModel, type Quant } from "../../weights/prepared/quant.ts";
import { tuningOf } from "../../weights/prepared/tuning.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { preparedFolder, resolveModel } from "../../weights/sources/index.ts";
import { Meter } from "../bill/meter.ts";
import { openAdapted } from "../file/adapters.ts";
import { describeModel } from "../file/describe.ts";
import { exportModel } from "../file/export.ts";
import { openModel } from "../file/open-model.ts";
import { LanguageModel } from "./language-model.ts";
import { compareWithAlone, texts } from "./run/batch.testing.ts";
import type { Engine } from "./run/engine.ts";

const processor = vi.hoisted(() => ({ namesByteProducts: vi.fn<() => boolean | undefined>(() => true) }));
vi.mock("../../runtime/processor.ts", async (original) => ({ ...(await original<object>()), ...processor }));
vi.mock("../../weights/prepared/hadamard.ts", async (original) => {
  const { rotated } = await original<typeof import("../../weights/prepared/hadamard.ts")>();
  return { rotated: vi.fn(rotated) };
});
const hadamard = vi.mocked(await import("../../weights/prepared/hadamard.ts"));
const { multipliesBytes } =
  await vi.importActual<typeof import("../../runtime/processor.ts")>("../../runtime/processor.ts");

/** On processors without byte product instructions, sums of bytes overflow, whatever the mock returns. */
const exact = test.skipIf(!multipliesBytes());

const folder = fileURLToPath(new URL("../../../packages/models/expertrag-world", import.meta.url));
const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const load = async (quant: Quant, file = folder) => LanguageModel.load(await resolveModel(file), quant);

const text = Array.from({ length: 90 }, (_, i) => (i * 37) % 200);

/** Logits after the entire `prompt`, whose last `steps` tokens run one by one, and the bill. */
async function logitsOf({ engine }: Pick<LanguageModel, "engine">, { prompt = text, steps = 0 } = {}) {
  engine.forget();
  const slot = engine.acquireEmpty(prompt);
  const meter = new Meter(engine.programs);
  const whole = prompt.length - steps;
  let logits = (await engine.prefill(slot, prompt.slice(0, whole), meter)).slice();
  for (const token of prompt.slice(whole)) logits = (await engine.step(slot, token, meter)).slice();
  engine.release(slot);
  return { logits, bill: meter.total() };
}

const error = (got: Float32Array, expected: Float32Array) =>
  Math.hypot(...got.map((v, i) => v - expected[i]!)) / Math.hypot(...expected);

/** The savings that a text model in rotated bytes does not support. */
const UNSUPPORTED = {
  feather: "no image encoder",
  "int8-prefill": "weights that are already bytes (q8r)",
  yopo: "no image encoder",
};

describe("a small decoder", () => {
  let model: LanguageModel;
  let float: LanguageModel;
  beforeAll(async () => {
    [model, float] = [await load("q8r"), await load("f32")];
  });
  afterAll(() => {
    model[Symbol.dispose]();
    float[Symbol.dispose]();
  });

  exact("has float32's logits within 3 %, and not the same", async () => {
    const off = error((await logitsOf(model)).logits, (await logitsOf(float)).logits);
    expect(off).toBeLessThan(0.03);
    expect(off).toBeGreaterThan(0);
  });

  exact("gives a prompt's logits when its tokens run one by one, up to rounding", async () => {
    const { logits } = await logitsOf(model);
    for (const steps of [1, 30]) expect(error((await logitsOf(model, { steps })).logits, logits)).toBeLessThan(0.02);
  });

  exact("gives each of several sequences the logits that it has alone", async () => {
    await compareWithAlone(model.engine, texts(8, 200, 40, 6));
  });

  exact("tells the rotation as overhead beside dense's FLOPs, and reads fewer bytes than blocks do", async () => {
    using blocks = await load("q8");
    const [own, other] = [(await logitsOf(model, { steps: 8 })).bill, (await logitsOf(blocks, { steps: 8 })).bill];
    expect(own.flops.dense).toBeCloseTo(other.flops.dense, -1);
    // qkv, attention's output, gate with up, and down; after the last attention, only nine rows remain.
    const { hidden, layers } = model.decoder.config;
    const rest = 2 * hidden + 512;
    const rotation = 2 * 32 * (text.length * (layers * (hidden + rest) - rest) + 9 * rest);
    expect(own.flops.overhead).toBeCloseTo(rotation, -1);
    expect(own.flops.spent).toBeCloseTo(own.flops.dense + rotation, -1);
    expect(own.bytes.dense).toBe(own.bytes.spent);
    const steps = async (of: LanguageModel) =>
      (await logitsOf(of, { steps: 40 })).bill.bytes.spent - (await logitsOf(of)).bill.bytes.spent;
    expect(await steps(model)).toBeLessThan(await steps(blocks));
  });

  exact("runs under int8-prefill as without it, and says so", async () => {
    const notices: string[] = [];
    using languageModel = await LanguageModel.load(await resolveModel(folder), "q8r", undefined, "cpu", (notice) =>
      notices.push(notice),
    );
    for (const recipe of ["int8-prefill", "int8-prefill:digits=2,rotation=0"]) {
      using lease = await languageModel.use(parseRecipe([recipe]));
      expect(lease.plan(text.length)).toBe(densePlan);
    }
    const why = "int8-prefill changes nothing here: prompts run in rotated bytes already (q8r)";
    expect(notices).toEqual([why, why]);
    const described = await describeModel(await resolveModel(folder), "q8r");
    expect(described.unsupported).toEqual(UNSUPPORTED);
  });

  exact("runs other savings, whose programs are also in bytes", async () => {
    const { logits } = await logitsOf(model);
    const all = "xattention:threshold=0.9999999,stride=4,blockSize=8,minLengthForSparse=8";
    using lease = await model.use(parseRecipe([all]));
    const plan = lease.plan(text.length);
    const slot = model.engine.acquireEmpty(text, plan);
    const sparse = await model.engine.prefill(slot, text, new Meter(model.engine.programs), plan);
    expect(error(sparse, logits)).toBeLessThan(0.02);
    expect(plan).not.toBe(densePlan);
    model.engine.release(slot);
  });

  test("is described: a byte a weight and a scale for each output, less than in blocks", async () => {
    const source = await resolveModel(folder);
    const [own, blocks] = [await describeModel(source, "q8r"), await describeModel(source, "q8")];
    expect(own.form).toEqual({ quant: "q8r" });
    expect(own.flopsPerToken).toEqual(blocks.flopsPerToken);
    const [bytes] = own.tensors.filter(({ form }) => form.includes("rotated"));
    expect(bytes!.form).toBe("rotated in blocks of 32, rounded to 8 bits with a scale for each output");
    const { hidden, layers } = model.decoder.config;
    const outputs = [3 * hidden, hidden, 2 * 512, hidden].reduce((a, b) => a + b);
    const weights = hidden * (4 * hidden + 3 * 512);
    expect(bytes!.bytes).toBe(layers * (weights + 4 * outputs));
    // Normally distributed numbers; the largest of hundreds is about 3, so the error is √(1/12) of 3/127.
    expect(bytes!.error).toBeGreaterThan(0.005);
    expect(bytes!.error).toBeLessThan(0.012);
    expect(own.bytes.memory).toBeLessThan(blocks.bytes.memory);
    // The token table, which is also the head's matrix.
    expect(own.tensors.filter(({ form }) => form.includes("in blocks of 32") && !form.includes("rotated"))).toEqual([
      expect.objectContaining({ tensors: 1, form: "rounded to 8 bits in blocks of 32" }),
    ]);
  });
});

exact("one home holds q8 and q8r, whichever was prepared first", async () => {
  const expected = new Map<Quant, Float32Array>();
  for (const order of [["q8", "q8r"] as const, ["q8r", "q8"] as const]) {
    withEnv({ MODICUM_HOME: tempFolder() });
    for (const quant of [...order, ...order]) {
      using model = await load(quant);
      const { logits } = await logitsOf(model);
      expect(logits).toEqual(expected.get(quant) ?? logits);
      expected.set(quant, logits);
    }
    const folders = readdirSync(preparedFolder((await resolveModel(folder)).path)).sort();
    expect(folders.map((name) => name.replace(/\.v\d+$/, ""))).toEqual(["q8", "q8r"]);
  }
  expect(expected.get("q8r")).not.toEqual(expected.get("q8"));
  expect(error(expected.get("q8r")!, expected.get("q8")!)).toBeLessThan(0.03);
});

exact("weights that alone are rotated give wrong logits", async () => {
  using float = await load("f32");
  const { logits } = await logitsOf(float);
  const { rotated } = await vi.importActual<typeof import("../../weights/prepared/hadamard.ts")>(
    "../../weights/prepared/hadamard.ts",
  );
  const isBlock = (values: Float32Array, size: number) => values.length === size ** 2;
  try {
    for (const turns of [isBlock, (...args: Parameters<typeof isBlock>) => !isBlock(...args)]) {
      withEnv({ MODICUM_HOME: tempFolder() });
      hadamard.rotated.mockImplementation((values, size) =>
        turns(values, size) ? rotated(values, size) : Float32Array.from(values),
      );
      using model = await load("q8r");
      expect(error((await logitsOf(model)).logits, logits)).toBeGreaterThan(0.5);
    }
  } finally {
    hadamard.rotated.mockImplementation(rotated);
  }
});

exact("an adapter reads what is not rotated", async () => {
  const base = fixture("llama-tiny.gguf");
  const poet = fileURLToPath(new URL("../../weights/adapter/fixtures/llama-gguf", import.meta.url));
  const [adapted, source] = [await openAdapted(base, { adapters: { poet } }), await resolveModel(base)];
  using own = await LanguageModel.load(source, "q8r", adapted);
  using float = await LanguageModel.load(source, "f32", adapted);
  const prompt = text.slice(0, 40).map((id) => id % 60);
  const under = async (engine: Engine) => (await logitsOf({ engine }, { prompt })).logits;
  const [plain, expected] = [await under(float.engine), await under(float.engineFor("poet"))];
  const off = error(await under(own.engineFor("poet")), expected);
  expect(off).toBeLessThan(2 * error(await under(own.engine), plain));
  expect(error(plain, expected)).toBeGreaterThan(2 * off);
});

describe("chosen by timing", () => {
  const forms = (source: { path: string }) =>
    readdirSync(preparedFolder(source.path))
      .filter((name) => name !== "tuning.json")
      .map((name) => name.replace(/\.v\d+$/, ""));

  exact("is the form of auto: what is prepared, what runs and what is described", async () => {
    const source = await chosenRotated(folder);
    using model = await LanguageModel.load(source);
    expect([model.form, forms(source)]).toEqual([{ quant: "q8r" }, ["q8r"]]);
    const { logits } = await logitsOf(model);
    using named = await load("q8r");
    expect((await logitsOf(named)).logits).toEqual(logits);
    const { form, unsupported } = await describeModel(source);
    expect(form).toEqual({ quant: "q8r" });
    expect(unsupported).toEqual(UNSUPPORTED);
  });

  exact("does not hold for exports, or with MODICUM_TUNE=off", async () => {
    const source = await chosenRotated(folder);
    await exportModel(source, path.join(tempFolder(), "out"), "auto");
    expect(forms(source)).not.toContain("q8r");
    vi.stubEnv("MODICUM_TUNE", "off");
    using model = await LanguageModel.load(source);
    expect([model.form, (await describeModel(source)).form]).toEqual([{ quant: "q8" }, { quant: "q8" }]);
    expect(forms(source)).not.toContain("q8r");
    vi.unstubAllEnvs();
  });

  exact("is timed at the first load of a known model, and of no other", async () => {
    withEnv({ MODICUM_HOME: tempFolder(), MODICUM_TUNE: "" });
    const source = await resolveModel(folder);
    (await LanguageModel.load(source))[Symbol.dispose]();
    expect(tuningOf(preparedFolder(folder))).toBeUndefined();
    using model = await LanguageModel.load({ ...source, sha256: KNOWN });
    const { rotated } = tuningOf(preparedFolder(folder))!;
    expect(model.form.quant).toBe(rotated!.chosen ? "q8r" : "q8");
    for (const rows of [rotated!.ms.default, rotated!.ms.rotated])
      for (const ms of Object.values(rows)) expect(ms).toBeGreaterThan(0);
  });
});

test("a GGUF's 4-bit types have no codes of their own width", () => {
  expect(formOfModel(openCheckpoint(fixture("llama-tiny.gguf")), "q8r", 4)).toEqual({ quant: "q8r" });
});

describe("refused in one sentence", () => {
  const open = async (name: string, quant: Quant = "q8r") => openModel(await resolveModel(fixture(name)), [], quant);

  test.each([
    ["olmoe", "it has experts, whose matrices do not support byte weights"],
    ["mamba", "it has recurrent layers"],
    ["dream", "q8r is only for text decoders; expected auto, f32, q8 or q4"],
    ["llava", "q8r is only for text decoders"],
    ["bert", "q8r is only for text decoders"],
    ["t5", "q8r is only for text decoders"],
    ["clip", "q8r is only for text decoders"],
    ["vit", "q8r is only for text decoders"],
  ])("%s", async (name, why) => {
    await expect(open(name)).rejects.toThrow(why);
    await expect(describeModel(await resolveModel(fixture(name)), "q8r")).rejects.toThrow(why);
  });

  test("a processor that names no such instruction, or nothing", async () => {
    for (const says of [false, undefined]) {
      processor.namesByteProducts.mockReturnValueOnce(says);
      await expect(load("q8r")).rejects.toThrow("expected a processor with byte dot products");
    }
  });

  test("another device, and an export, of which nothing is left", async () => {
    await expect(openModel(await resolveModel(folder), [], "q8r", { device: "webgpu" })).rejects.toThrow(
      "q8r runs only on the CPU",
    );
    const target = path.join(tempFolder(), "out");
    await expect(exportModel(await resolveModel(folder), target, "q8r")).rejects.toThrow("q8r cannot be exported");
    expect(existsSync(target)).toBe(false);
  });
});
