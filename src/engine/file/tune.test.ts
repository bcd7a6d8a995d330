/** Choosing the width of codes, by times that are given. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import { processorBits } from "../../runtime/processor.ts";
import { type Product, timeProducts } from "../../runtime/product-times.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { chosenBits, keepTuning, tuningOf } from "../../weights/prepared/tuning.ts";
import { tune, tuneOnce } from "./tune.ts";

const checkpoint = openCheckpoint(fileURLToPath(new URL("../../../packages/models/expertrag-world", import.meta.url)));
const own = processorBits();
const other: CodeBits = own === 4 ? 8 : 4;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tune-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** The choice if the other width is so many times as fast as the processor's own, whose second measurement differs by `again`. */
async function choice(factor: number, again = 1) {
  const asked: { products: readonly Product[]; rows: number }[] = [];
  const made = await tune(checkpoint, folder, "q4", async (products, rows) => {
    asked.push({ products, rows });
    const ms = { 4: [1, 1], 8: [1, 1] } as Record<CodeBits, [number, number]>;
    ms[own] = [factor, factor * again];
    return ms;
  });
  return { made: made!, asked };
}

test("the processor's own width stays unless the other is clearly faster", async () => {
  expect((await choice(0.5)).made.bits).toBe(own);
  expect((await choice(1.05)).made.bits).toBe(own);
  expect((await choice(1.2)).made.bits).toBe(other);
});

test("times that differ from one measurement to the next decide nothing", async () => {
  expect((await choice(1.2, 1.1)).made).toMatchObject({ bits: other, steady: true });
  expect((await choice(1.2, 1.3)).made).toMatchObject({ bits: own, steady: false });
});

test("the model's own matrices of 4 bits are timed, with one row and with many", async () => {
  const { asked, made } = await choice(1);
  expect(asked.map(({ rows }) => rows === 1)).toEqual([true, false]);
  // Four in each of 4 layers; the head keeps 8 bits.
  expect(asked[0]!.products).toHaveLength(16);
  expect(asked[0]!.products[0]).toMatchObject({ k: 192, minimum: true });
  expect(made.ms[4].prefill).toBeLessThan(made.ms[4].decode);
});

test("nothing is timed for a model without 4-bit types", async () => {
  const timer = vi.fn();
  for (const quant of ["auto", "q8", "f32"] as const)
    expect(await tune(checkpoint, folder, quant, timer)).toBeUndefined();
  expect(timer).not.toHaveBeenCalled();
});

test("a kept choice holds for this processor, unless MODICUM_TUNE is off", async () => {
  const { made } = await choice(2);
  await keepTuning(folder, made);
  expect([chosenBits(folder), tuningOf(folder)]).toEqual([own, undefined]);
  vi.stubEnv("MODICUM_TUNE", "");
  expect([chosenBits(folder), tuningOf(folder)]).toEqual([other, made]);
  // The choice is there: nothing is timed.
  await tuneOnce(checkpoint, folder, "q4");
  expect(tuningOf(folder)).toEqual(made);
  vi.stubEnv("MODICUM_THREADS", "77");
  expect(chosenBits(folder)).toBe(own);
});

test("real products are timed in both widths", async () => {
  const products = [32, 64].map((k) => ({ n: 48, k, minimum: k === 64 }));
  for (const ms of Object.values(await timeProducts(products, 3)).flat()) {
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThan(Number.POSITIVE_INFINITY);
  }
});
