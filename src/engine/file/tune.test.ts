/** Tests how weight forms are chosen, with predetermined times. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import { processorBits } from "../../runtime/processor.ts";
import { type Product, type Timer, type Twice, timeProducts } from "../../runtime/product-times.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/quant.ts";
import {
  chosenBits,
  formHere,
  keepTuning,
  quantHere,
  rotatedLosses,
  type Tuning,
  tuningOf,
} from "../../weights/prepared/tuning.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { preparedFolder } from "../../weights/sources/index.ts";
import { tune, tuneOnce } from "./tune.ts";

const processor = vi.hoisted(() => ({ namesByteProducts: vi.fn<() => boolean | undefined>(() => true) }));
vi.mock("../../runtime/processor.ts", async (original) => ({ ...(await original<object>()), ...processor }));

const file = fileURLToPath(new URL("../../../packages/models/expertrag-world", import.meta.url));
const checkpoint = openCheckpoint(file);
const own = processorBits();
const other: CodeBits = own === 4 ? 8 : 4;

let folder: string;
beforeEach(() => {
  withEnv({ MODICUM_HOME: tempFolder() });
  folder = preparedFolder(file);
  mkdirSync(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** The small decoder with the hash of a model known to lose little in rotated bytes, or of an unknown model. */
const modelOf = (quant: Quant, sha256?: string) => ({
  ...{ checkpoint, quant },
  source: { path: file, ...(sha256 !== undefined && { sha256 }) },
});

/** A timer that returns predetermined times by form and row count, and the record of its calls. */
function madeUp(times: (form: string, rows: number) => Twice) {
  const calls: { forms: Record<string, readonly Product[]>; rows: number }[] = [];
  const timer: Timer = async (forms, rows) => {
    calls.push({ forms, rows });
    return Object.fromEntries(Object.keys(forms).map((form) => [form, times(form, rows)])) as never;
  };
  return { timer, calls };
}

/**
 * The choice if the other width is `factor` times as fast as the processor's own, and the second measurement of the
 * processor's own width differs by the factor `again`.
 */
async function choice(factor: number, again = 1) {
  const { timer, calls } = madeUp((form) => (form === String(own) ? [factor, factor * again] : [1, 1]));
  const result = await tune(modelOf("q4"), timer);
  if (result?.bits === undefined) throw new Error("no width was chosen");
  return { tuning: result, calls };
}

test("the processor's own width stays unless the other is clearly faster", async () => {
  expect((await choice(0.5)).tuning.bits).toBe(own);
  expect((await choice(1.05)).tuning.bits).toBe(own);
  expect((await choice(1.2)).tuning.bits).toBe(other);
});

test("times that differ from one measurement to the next decide nothing", async () => {
  expect((await choice(1.2, 1.1)).tuning).toMatchObject({ bits: other, steady: true });
  expect((await choice(1.2, 1.3)).tuning).toMatchObject({ bits: own, steady: false });
});

test("the model's own matrices of 4 bits are timed, with one row and with many", async () => {
  const { calls, tuning } = await choice(1);
  expect(calls.map(({ rows }) => rows === 1)).toEqual([true, false]);
  // Four products in each of 4 layers; the head stays in 8 bits.
  const { 4: four, 8: eight } = calls[0]!.forms;
  expect(four).toHaveLength(16);
  expect(four![0]).toMatchObject({ k: 192, form: { bits: 4, corrected: true } });
  expect(eight![0]).toMatchObject({ n: four![0]!.n, k: 192, form: { bits: 8, corrected: false } });
  expect(tuning.ms[4].prefill).toBeLessThan(tuning.ms[4].decode);
});

test("nothing is timed for a model that has one form alone", async () => {
  const timer = vi.fn();
  for (const quant of ["auto", "q8", "f32", "q8r"] as const) expect(await tune(modelOf(quant), timer)).toBeUndefined();
  expect(timer).not.toHaveBeenCalled();
});

test("a kept choice holds for this processor, unless MODICUM_TUNE is off", async () => {
  const { tuning } = await choice(2);
  await keepTuning(folder, tuning);
  expect([chosenBits(folder), tuningOf(folder)]).toEqual([own, undefined]);
  vi.stubEnv("MODICUM_TUNE", "");
  expect([chosenBits(folder), tuningOf(folder)]).toEqual([other, tuning]);
  // A choice is already stored, so nothing is timed.
  await tuneOnce(modelOf("q4"));
  expect(tuningOf(folder)).toEqual(tuning);
  vi.stubEnv("MODICUM_THREADS", "77");
  expect(chosenBits(folder)).toBe(own);
});

describe("rotated bytes", () => {
  const [known] = Object.keys(rotatedLosses);
  const rotated = modelOf("auto", known);

  /** The choice for these times of rotated bytes, by row count, relative to the default form's times. */
  async function rotatedChoice(times: Readonly<Record<number, Twice>>) {
    const { timer, calls } = madeUp((form, rows) => {
      const [first, second] = form === "rotated" ? times[rows]! : [1, 1];
      const ms = rows === 256 ? 256 / 3 : 1;
      return [first * ms, second * ms];
    });
    return { tuning: await tune(rotated, timer), calls };
  }
  const fast: Readonly<Record<number, Twice>> = { 1: [0.8, 0.8], 8: [0.7, 0.7], 256: [0.5, 0.5] };
  const chosenBy = async (times: Readonly<Record<number, Twice>>) => (await rotatedChoice(times)).tuning?.rotated;

  test("are chosen if a step, a batch and a prompt are faster", async () => {
    const { tuning, calls } = await rotatedChoice(fast);
    expect(tuning).toMatchObject({ rotated: { chosen: true, steady: true } });
    expect(calls.map(({ rows }) => rows)).toEqual([1, 8, 256]);
    const { default: blocks, rotated: bytes } = calls[0]!.forms;
    // Four products in each of 4 layers, without the head.
    expect(bytes).toHaveLength(16);
    expect(bytes!.every(({ form }) => form.kind === "bytes" && form.rotation === 32)).toBe(true);
    expect(blocks!.map(({ n, k }) => [n, k])).toEqual(bytes!.map(({ n, k }) => [n, k]));
    expect(blocks!.every(({ form }) => form.kind === "codes" && form.bits === 8 && form.block === 32)).toBe(true);
    const { step, batch } = tuning!.rotated!.ms.rotated;
    expect(batch / step).toBeCloseTo(0.7 / 0.8 / 8);
  });

  test.each([1, 8, 256])("are not if %i rows are slower by more than a quarter in both measurements", async (rows) => {
    expect(await chosenBy({ ...fast, [rows]: [1.27, 1.28] })).toMatchObject({ chosen: false, steady: true });
  });

  test("are if a step or a batch is slower by no more than a quarter, or than the noise, and the request gains", async () => {
    expect(await chosenBy({ ...fast, 8: [0.99, 1.1] })).toMatchObject({ chosen: true });
    expect(await chosenBy({ ...fast, 1: [1.12, 1.28] })).toMatchObject({ chosen: true });
  });

  test("are not if the request gains less than a tenth", async () => {
    expect(await chosenBy({ 1: [0.95, 0.95], 8: [0.5, 0.5], 256: [0.95, 0.95] })).toMatchObject({ chosen: false });
  });

  test.each([1, 8, 256])("are not if the times of %i rows are unsteady", async (rows) => {
    expect(await chosenBy({ ...fast, [rows]: [0.5, 0.7] })).toMatchObject({ chosen: false, steady: false });
  });

  test("are never timed for a model of an unknown hash or none, another form, or a processor that names no such instruction", async () => {
    const timer = vi.fn();
    for (const model of [modelOf("auto"), modelOf("auto", "0".repeat(64)), modelOf("q8", known), modelOf("q8r", known)])
      expect(await tune(model, timer)).toBeUndefined();
    for (const says of [false, undefined]) {
      processor.namesByteProducts.mockReturnValueOnce(says);
      expect(await tune(rotated, timer)).toBeUndefined();
    }
    expect(timer).not.toHaveBeenCalled();
  });

  test("are the form of auto once they were chosen, unless MODICUM_TUNE is off", async () => {
    await keepTuning(folder, (await rotatedChoice(fast)).tuning!);
    const source = { path: file, sha256: known! };
    expect(quantHere(source, "auto")).toBe("auto");
    vi.stubEnv("MODICUM_TUNE", "");
    expect(quantHere(source, "auto")).toBe("q8r");
    expect(formHere(source, checkpoint, "auto")).toEqual({ quant: "q8r" });
    expect(quantHere(source, "auto", "webgpu")).toBe("auto");
    expect(quantHere(source, "q8")).toBe("q8");
    for (const sha256 of [undefined, "0".repeat(64)])
      expect(quantHere({ path: file, ...(sha256 && { sha256 }) }, "auto")).toBe("auto");
    vi.stubEnv("MODICUM_THREADS", "77");
    expect(quantHere(source, "auto")).toBe("auto");
  });

  test("are timed for an older file, whose width of codes stays", async () => {
    vi.stubEnv("MODICUM_TUNE", "");
    const { tuning: codes } = await choice(2);
    await keepTuning(folder, codes);
    const written = JSON.parse(readFileSync(path.join(folder, "tuning.json"), "utf8"));
    expect(Object.keys(Object.values(written)[0] as object)).toEqual(["bits", "steady", "ms"]);
    const { timer, calls } = madeUp((form) => (form === "rotated" ? [0.5, 0.5] : [1, 1]));
    const both = await tune(rotated, timer, tuningOf(folder));
    expect(calls.map(({ rows }) => rows)).toEqual([1, 8, 256]);
    expect(both).toMatchObject({ ...codes, rotated: { chosen: true } });
    await keepTuning(folder, both!);
    expect(tuningOf(folder)).toEqual(both);
    // Both choices are known.
    expect(await tune(rotated, vi.fn(), both)).toBe(both);
  });

  test("are timed once: what is kept of a model without 4-bit types is not timed or written again", async () => {
    vi.stubEnv("MODICUM_TUNE", "");
    const tuning = (await rotatedChoice(fast)).tuning as Tuning;
    await keepTuning(folder, tuning);
    expect(tuningOf(folder)).toEqual(tuning);
    const place = path.join(folder, "tuning.json");
    const text = readFileSync(place, "utf8");
    writeFileSync(place, ` ${text}`);
    await tuneOnce(rotated);
    expect(readFileSync(place, "utf8")).toBe(` ${text}`);
  });
});

test("real products are timed in all forms", async () => {
  const sizes = [32, 64].map((k) => ({ n: 48, k }));
  const codes = (bits: CodeBits, corrected: boolean) =>
    sizes.map((size): Product => ({ ...size, form: { kind: "codes", bits, block: 32, corrected } }));
  const forms = {
    four: codes(4, false),
    corrected: codes(4, true),
    eight: codes(8, false),
    rotated: sizes.map((size): Product => ({ ...size, form: { kind: "bytes", rotation: 32 } })),
  };
  const times = await timeProducts(forms, 3);
  expect(Object.keys(times)).toEqual(Object.keys(forms));
  for (const ms of Object.values(times).flat()) {
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThan(Number.POSITIVE_INFINITY);
  }
});
