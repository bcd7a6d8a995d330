import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { dequantize, isDequantizable } from "./dequantize.ts";
import { halfFloats } from "./half.ts";
import { GGML_TYPES, type GgmlType } from "./types.ts";

/** Random blocks, followed in the same file by the values of the gguf package: tools/reference/gguf_dequant.py. */
function fixture(type: GgmlType): { count: number; bytes: Uint8Array; floats: Float32Array } {
  const file = new Uint8Array(readFileSync(new URL(`./fixtures/${type.toLowerCase()}.bin`, import.meta.url)));
  const { block, bytes } = GGML_TYPES[type];
  const blocks = file.length / (bytes + 4 * block);
  const floats = new Float32Array(file.slice(blocks * bytes).buffer);
  return { count: blocks * block, bytes: file.slice(0, blocks * bytes), floats };
}

/** Bits, with all NaNs made equal: their payload depends on the processor, in numpy too. */
function bitsOf(floats: Float32Array): Uint32Array {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  return bits.map((bit) => ((bit & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bit));
}

/** Like `toEqual`, which is slow on large arrays. */
function expectSame(got: Uint32Array, expected: Uint32Array): void {
  expect(got.length).toBe(expected.length);
  const first = got.findIndex((bit, i) => bit !== expected[i]);
  if (first >= 0) expect.fail(`weight ${first} has bits ${got[first]}, expected ${expected[first]}`);
}

const inUse: GgmlType[] = [
  ...(["F64", "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"] as const),
  ...(["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"] as const),
];

describe.each(inUse)("%s", (type) => {
  const { count, bytes, floats } = fixture(type);
  const expected = bitsOf(floats);

  test("equals the gguf package's to the last bit", () => {
    expect(count).toBeGreaterThan(500);
    expectSame(bitsOf(dequantize(type, bytes, count)), expected);
  });

  test("whatever the place of the bytes in their buffer", () => {
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expectSame(bitsOf(dequantize(type, shifted.subarray(3), count)), expected);
  });

  test("in more than one piece", () => {
    const times = Math.ceil(100_000 / count);
    const long = new Uint8Array(bytes.length * times);
    for (let i = 0; i < times; i++) long.set(bytes, i * bytes.length);
    const bits = bitsOf(dequantize(type, long, count * times));
    for (let i = 0; i < times; i++) expectSame(bits.subarray(i * count, (i + 1) * count), expected);
  });

  test("refuses a count that is not that of the bytes", () => {
    expect(() => dequantize(type, bytes, count + GGML_TYPES[type].block)).toThrow(RangeError);
    expect(() => dequantize(type, bytes.subarray(1), count)).toThrow(`got ${bytes.length - 1}`);
  });
});

test("types of 16-bit scales: the fixtures hold negative zeros, infinities, NaNs", () => {
  for (const type of inUse.filter((t) => GGML_TYPES[t].block > 1 && t !== "MXFP4")) {
    const floats = [...fixture(type).floats];
    expect(floats.some((value) => Object.is(value, -0))).toBe(true);
    expect(floats).toContain(Number.NEGATIVE_INFINITY);
    expect(floats.some(Number.isNaN)).toBe(true);
  }
});

test("every type that can be read is in the tests above; another gets one sentence", () => {
  expect((Object.keys(GGML_TYPES) as GgmlType[]).filter(isDequantizable).sort()).toEqual(inUse.toSorted());
  expect(() => dequantize("IQ2_XS", new Uint8Array(74), 256)).toThrow(
    new UserError("weights of type IQ2_XS are not supported yet"),
  );
});

test("all 65,536 halves have the value that IEEE 754 defines", () => {
  const floats = halfFloats();
  for (let half = 0; half < 65_536; half++) {
    const sign = half >> 15 === 0 ? 1 : -1;
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    const normal = sign * (1 + fraction) * 2 ** (exponent - 15);
    const special = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    const value = exponent === 31 ? special : exponent === 0 ? sign * fraction * 2 ** -14 : normal;
    if (!Object.is(floats[half], value)) expect.fail(`half ${half} is ${floats[half]}, expected ${value}`);
  }
});
