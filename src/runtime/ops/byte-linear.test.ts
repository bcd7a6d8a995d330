import { expect, test } from "vitest";
import { byteLinear, type DType, Graph, rotateBlocks, sym } from "../../graph/index.ts";
import { compare, type Feed, integers, noise, normError, type Trial, worst } from "../compare.testing.ts";
import { multipliesBytes } from "../processor.ts";

/** Without such an instruction, x86 adds pairs of products in 16 bits, which overflow here; `int8-prefill` refuses it. */
const exact = test.skipIf(!multipliesBytes());

const trace: Trial["trace"] = (t) => ({
  y: byteLinear(t.x!, { codes: t.codes!, scale: t.scale!, low: t.low, block: t.block }),
});

/** Codes from −127 to 127, [k, n]. */
function digits(seed: number, k: number, n: number): Feed {
  const codes = integers(seed, "i8", [k, n], 255);
  return { ...codes, data: Array.from(codes.data, (v) => v - 127) };
}

/** A random matrix [k, n]. */
function matrix(k: number, n: number): Record<string, Feed> {
  return {
    codes: digits(n, k, n),
    scale: { dtype: "f32", shape: [n], data: Float32Array.from({ length: n }, (_, i) => (1 + (i % 3)) / 100) },
  };
}

exact.each([
  { batch: 1, tokens: 1, k: 64, n: 8 },
  { batch: 1, tokens: 40, k: 96, n: 65 },
  { batch: 2, tokens: 7, k: 32, n: 48 },
])("$batch × $tokens rows of $k into $n", async ({ batch, tokens, k, n }) => {
  const x = noise(n, [batch, tokens, k], [sym("batch"), sym("tokens"), k]);
  const { y } = await compare({ inputs: { x }, constants: matrix(k, n), bindings: { batch, tokens }, trace });
  expect(normError(y!)).toBeLessThan(0.02);
  expect(normError(y!)).toBeGreaterThan(0);
  const constants = { ...matrix(k, n), low: digits(n + 1, k, n) };
  const twice = await compare({ inputs: { x }, constants, bindings: { batch, tokens }, trace });
  expect(normError(twice.y!)).toBeLessThan(1e-4);
});

exact("each row has a range of its own, and zeros stay zeros", async () => {
  const rows = noise(3, [1, 3, 64]);
  const scaled = Float32Array.from(rows.data, (v, i) => v * [1e-3, 0, 1e3][Math.floor(i / 64)]!);
  const { y } = await compare({ inputs: { x: { ...rows, data: scaled } }, constants: matrix(64, 16), trace });
  for (const row of [0, 2]) {
    const part = (of: Float64Array) => of.slice(row * 16, row * 16 + 16);
    const [got, expected] = [part(y!.got.data), part(y!.expected.data)];
    expect(Math.hypot(...got.map((v, i) => v - expected[i]!)) / Math.hypot(...expected)).toBeLessThan(0.02);
  }
  expect([...y!.got.data.slice(16, 32)]).toEqual(Array(16).fill(0));
});

exact("the identity as a block gives the bits of no block", async () => {
  const x = noise(5, [2, 7, 64], [sym("batch"), sym("tokens"), 64]);
  const trial = { inputs: { x }, bindings: { batch: 2, tokens: 7 }, trace };
  const data = Float32Array.from({ length: 32 * 32 }, (_, i) => Number(i % 33 === 0));
  const constants = { ...matrix(64, 16), low: digits(4, 64, 16) };
  const plain = await compare({ ...trial, constants });
  const turned = await compare({
    ...trial,
    constants: { ...constants, block: { dtype: "f32", shape: [32, 32], data } },
  });
  expect(turned.y!.got).toEqual(plain.y!.got);
});

test.each([
  { shape: [1, 64], symbolic: [sym("tokens"), 64], block: 32 },
  { shape: [2, 7, 96], symbolic: [sym("batch"), sym("tokens"), 96], block: 32 },
  { shape: [2, 3, 24], symbolic: [sym("batch"), sym("tokens"), 24], block: 4 },
])("blocks of $block of $shape times one matrix", async ({ shape, symbolic, block }) => {
  const [tokens, batch] = [shape.at(-2)!, shape.at(-3) ?? 1];
  const inputs = { x: noise(6, shape, symbolic) };
  const constants = { block: noise(7, [block, block]) };
  const rotate: Trial["trace"] = (t) => ({ y: rotateBlocks(t.x!, t.block!) });
  expect(await worst({ inputs, constants, bindings: { batch, tokens }, trace: rotate })).toBeLessThan(1e-6);
});

test("a block that is not square, or does not divide the inputs, is refused", () => {
  const graph = new Graph();
  const x = graph.input("x", "f32", [1, 64]);
  expect(() => rotateBlocks(x, graph.input("wide", "f32", [32, 64]))).toThrow("a square matrix");
  expect(() => rotateBlocks(x, graph.input("block", "f32", [48, 48]))).toThrow("a multiple of 48");
});

test("codes of another type, and scales of another number, are refused", () => {
  const graph = new Graph();
  const tensor = (dtype: DType, shape: number[]) => graph.input(`${dtype} ${shape}`, dtype, shape);
  const x = tensor("f32", [1, 64]);
  expect(() => byteLinear(x, { codes: tensor("u8", [64, 8]), scale: tensor("f32", [8]) })).toThrow(
    "i8[inputs, outputs]",
  );
  expect(() => byteLinear(x, { codes: tensor("i8", [64, 8]), scale: tensor("f32", [9]) })).toThrow("scale");
  const [codes, scale] = [tensor("i8", [64, 8]), tensor("f32", [8])];
  expect(() => byteLinear(x, { codes, scale, low: tensor("i8", [64, 9]) })).toThrow("low");
});
