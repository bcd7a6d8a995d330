import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { dequantize } from "./dequantize.ts";
import { halfFloats } from "./half.ts";
import type { GgmlType } from "./types.ts";

/** What the gguf package makes of random blocks: tools/reference/gguf_dequant.py. */
function fixture(type: string): { type: GgmlType; count: number; bytes: Uint8Array; bits: Uint32Array } {
  const text = readFileSync(new URL(`./fixtures/${type.toLowerCase()}.json`, import.meta.url), "utf8");
  const { bytes, floats, ...rest } = JSON.parse(text);
  const bits = new Uint32Array(new Uint8Array(Buffer.from(floats, "base64")).buffer);
  return { ...rest, bytes: new Uint8Array(Buffer.from(bytes, "base64")), bits };
}

/** Bits, all NaNs made one: their payload is the processor's affair, in numpy too. */
function bitsOf(floats: Float32Array): number[] {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  return Array.from(bits, (bit) => ((bit & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bit));
}

describe.each(["F32", "F16", "Q4_1", "Q8_0"])("%s", (name) => {
  const { type, count, bytes, bits } = fixture(name);
  const expected = bitsOf(new Float32Array(bits.buffer));

  test("equals the gguf package's to the last bit", () => {
    expect(type).toBe(name);
    expect(expected.length).toBe(count);
    expect(bitsOf(dequantize(type, bytes, count))).toEqual(expected);
  });

  test("whatever the place of the bytes in their buffer", () => {
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(bitsOf(dequantize(type, shifted.subarray(3), count))).toEqual(expected);
  });

  test("refuses a count that is not that of the bytes", () => {
    expect(() => dequantize(type, bytes, count + 32)).toThrow(RangeError);
    expect(() => dequantize(type, bytes.subarray(1), count)).toThrow(`got ${bytes.length - 1}`);
  });
});

test("the fixtures hold denormals, negative zeros, infinities and NaNs", () => {
  const { bits } = fixture("Q4_1");
  const floats = [...new Float32Array(bits.buffer)];
  expect(floats.some((value) => value !== 0 && Math.abs(value) < 2 ** -14)).toBe(true);
  expect(floats.some((value) => Object.is(value, -0))).toBe(true);
  expect(floats).toContain(Number.NEGATIVE_INFINITY);
  expect(floats.some(Number.isNaN)).toBe(true);
});

test("an unsupported type gets one sentence", () => {
  expect(() => dequantize("Q6_K", new Uint8Array(210), 256)).toThrow(
    new UserError("weights of type Q6_K are not supported yet"),
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
