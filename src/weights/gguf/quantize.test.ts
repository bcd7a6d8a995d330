import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { quantize } from "./quantize.ts";
import { byteLength } from "./types.ts";

/** 96 blocks of weights, then the bytes that the gguf package writes for them: tools/reference/gguf_quant.py. */
const file = new Uint8Array(readFileSync(new URL("./fixtures/quantized.bin", import.meta.url)));
const COUNT = 96 * 32;
const weights = new Float32Array(file.slice(0, 4 * COUNT).buffer);

const types = ["F16", "Q8_0", "Q4_0", "Q4_1"] as const;

/** The offset at which each type's bytes begin. */
const startOf = (type: (typeof types)[number]): number =>
  types.slice(0, types.indexOf(type)).reduce((at, before) => at + byteLength(before, COUNT), 4 * COUNT);

test.each(types)("%s equals the gguf package's to the last bit", (type) => {
  const start = startOf(type);
  const expected = file.slice(start, start + byteLength(type, COUNT));
  expect(expected.length).toBe(byteLength(type, COUNT));
  const got = quantize(type, weights);
  expect(got.findIndex((byte, i) => byte !== expected[i])).toBe(-1);
  expect(got.length).toBe(expected.length);
});

test("F32 is the weights' own bytes", () => {
  expect(quantize("F32", weights.subarray(32, 64))).toEqual(file.slice(4 * 32, 4 * 64));
});

test("weights that blocks do not divide", () => {
  expect(() => quantize("Q8_0", new Float32Array(40))).toThrow(/40 weights are not whole blocks of 32/);
});
