import { describe, expect, test } from "vitest";
import { callsOf } from "../util/calls.testing.ts";
import { sym } from "./dim.ts";
import { Graph } from "./graph.ts";
import { interpret } from "./interpret.testing.ts";
import { ndarray } from "./ndarray.ts";
import { ShapeError } from "./op.ts";
import { cachedAttention } from "./ops/attention.ts";
import { matmul } from "./ops/batched-matmul.ts";
import { writeCache } from "./ops/cache.ts";
import { causalAttention } from "./ops/causal-attention.ts";
import { crossEntropy } from "./ops/cross-entropy.ts";
import { plus, times } from "./ops/elementwise.ts";
import { gather, gatherBackward } from "./ops/gather.ts";
import { linear, matmulTransposed, weightGradient } from "./ops/matmul.ts";
import { rmsNorm, skipRmsNorm } from "./ops/norm.ts";
import { quantizedEmbedding, quantizedLinear } from "./ops/quantized.ts";
import { repeat, spread, sum, sumTo } from "./ops/reduce.ts";
import { rotaryEmbedding } from "./ops/rotary.ts";
import { reshape, reshapeLike, reverse, split, transpose } from "./ops/shape.ts";
import { tileAttention } from "./ops/tile-attention.ts";
import { tokenPlaces, tokenRows } from "./ops/unpad.ts";
import type { DType, Tensor } from "./tensor.ts";

const tokens = sym("tokens");

describe("tracing", () => {
  test("records operators in order, computes nothing", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [tokens, 4]);
    const w = g.constant("w", { dtype: "f32", shape: [4, 2] }, { kind: "memory", bytes: new Uint8Array(32) });
    const y = plus(linear(x, w), linear(x, w));
    g.output("y", y);
    expect(g.nodes.map((n) => n.op.name)).toEqual(["linear", "linear", "add"]);
    expect(y.shape).toEqual([tokens, 2]);
    expect(g.nodes[2]!.inputs).toEqual([g.nodes[0]!.outputs[0], g.nodes[1]!.outputs[0]]);
  });

  test("a constant is found by its name without a look at the others, also one from another graph", async () => {
    const [g, part] = [new Graph(), new Graph()];
    const make = (graph: Graph, name: string) =>
      graph.constant(name, { dtype: "f32", shape: [1] }, { kind: "memory", bytes: new Uint8Array(4) });
    const calls = await callsOf(() => {
      for (let i = 0; i < 1000; i++) make(g, `w${i}`);
    });
    expect(calls).toBeLessThan(10_000);
    part.constants.push(...g.constants);
    expect(make(part, "w7")).toBe(g.constants[7]!.tensor);
    expect(part.constants.length).toBe(1000);
  });

  test("a constant of one name is one tensor", () => {
    const g = new Graph();
    const make = (name: string) =>
      g.constant(name, { dtype: "f32", shape: [1] }, { kind: "memory", bytes: new Uint8Array(4) });
    expect(make("w")).toBe(make("w"));
    expect(make("v")).not.toBe(make("w"));
    expect(g.constants.map((c) => c.name)).toEqual(["w", "v"]);
  });

  test("the float64 interpreter runs it, and names a value that is missing", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [tokens]);
    g.output("y", times(plus(x, x), x));
    const { y } = interpret(g, { x: ndarray([3], [1, 2, -3]) }, { tokens: 3 });
    expect([...y!.data]).toEqual([2, 8, 18]);
    expect(() => interpret(g, {}, { tokens: 3 })).toThrow('no value for "x"');
  });
});

/** A tensor of the given type in a new graph. */
const g = new Graph();
const t = (dtype: DType, ...shape: (number | typeof tokens)[]): Tensor => g.input("t", dtype, shape);
const f = (...shape: (number | typeof tokens)[]): Tensor => t("f32", ...shape);

const attrs = { heads: 2, kvHeads: 1, headSize: 16, scale: 1, rotary: "half" as const, past: 0 };
const cache = { pastKey: f(1, 1, 9, 16), pastValue: f(1, 1, 9, 16), lengths: t("i32", 1), total: t("i32") };
const tables = { cos: f(9, 8), sin: f(9, 8) };
const qkv = f(1, tokens, 64);
const attention = (c: Partial<typeof cache>, q = qkv, tab: typeof tables | undefined = tables, a = {}) =>
  cachedAttention(q, { ...cache, ...c }, tab, { ...attrs, ...a });
const matrix = { bits: 8, corrected: false, codes: t("u8", 5, 2, 32), scale: f(5, 2), zero: t("u8", 5, 2) } as const;
const narrow = { bits: 4, corrected: false, codes: t("u8", 5, 3, 16), scale: f(5, 3), zero: t("u8", 5, 2) } as const;
/** A matrix with 17 blocks of weights and two blocks of digits. */
const corrected = {
  bits: 4,
  corrected: true,
  codes: t("u8", 5, 19, 16),
  scale: f(5, 19),
  zero: t("u8", 5, 10),
} as const;
/** Like `quantized`, with codes row by row. */
const table = { ...matrix, codes: t("u8", 5, 64) };
const rotary = (x: Tensor, first: Tensor, sin = f(9, 8)) =>
  rotaryEmbedding(x, first, { cos: f(9, 8), sin }, { heads: 2, pairs: "half" });
const tile = (parts: object) =>
  tileAttention(
    {
      ...{ q: f(1, 3, 16), key: f(3, 16), pastKeys: f(6, 16), values: f(9, 16), causal: f(3, 3) },
      ...parts,
    },
    { scale: 1 },
  );

const causal = (parts: object) =>
  causalAttention(
    { q: f(1, 3, 32), k: f(1, 3, 16), v: f(1, 3, 16), ...parts },
    { heads: 2, kvHeads: 1, headSize: 16, scale: 1 },
  );

/** Operator, operand, its actual and expected type, and a wrong call. */
const mistakes: [op: string, operand: string, got: string, expected: string, () => unknown][] = [
  ["linear", "x", "f32[tokens, 3]", "f32[4, 2]", () => linear(f(tokens, 3), f(4, 2))],
  ["linear", "weight", "f32[4]", "[4, outputs]", () => linear(f(tokens, 4), f(4))],
  ["linear", "weight", "f32[1, 4, 2]", "[4, outputs]", () => linear(f(tokens, 4), f(1, 4, 2))],
  ["matmulTransposed", "b", "f32[2, 5, 3]", "f32[2, 7, 4]", () => matmulTransposed(f(2, 7, 4), f(2, 5, 3))],
  ["matmulTransposed", "b", "f32[3, 5, 4]", "f32[2, 7, 4]", () => matmulTransposed(f(2, 7, 4), f(3, 5, 4))],
  ["add", "b", "f32[3]", "f32[tokens, 4]", () => plus(f(tokens, 4), f(3))],
  ["mul", "b", "f32[2, tokens, 4]", "f32[tokens, 4]", () => times(f(tokens, 4), f(2, tokens, 4))],
  ["rmsNorm", "gain", "f32[3]", "f32[tokens, 4]", () => rmsNorm(f(tokens, 4), f(3), 1e-5)],
  ["skipRmsNorm", "gain", "f32[3]", "f32[2, 4]", () => skipRmsNorm(f(2, 4), f(2, 4), f(3), 1e-5)],
  ["skipRmsNorm", "skip", "f32[4]", "f32[2, 4]", () => skipRmsNorm(f(2, 4), f(4), f(4), 1e-5)],
  ["reshape", "x", "f32[tokens, 4]", "[tokens, 5]", () => reshape(f(tokens, 4), [tokens, 5])],
  ["transpose", "x", "f32[2, 4]", "0,2,1", () => transpose(f(2, 4), [0, 2, 1])],
  ["transpose", "x", "f32[2, 4]", "0,0", () => transpose(f(2, 4), [0, 0])],
  ["split", "x", "f32[tokens, 4]", "3 + 2 on axis 1", () => split(f(tokens, 4), 1, [3, 2])],
  ["split", "x", "f32[tokens, 4]", "3 dimensions", () => split(f(tokens, 4), 2, [4])],
  ["gather", "indices", "f32[2]", "i64", () => gather(f(9, 4), f(2), 0)],
  ["gather", "x", "f32[9, 4]", "3 dimensions", () => gather(f(9, 4), t("i64", 2), 2)],
  ["reverse", "x", "f32[9]", "2 dimensions", () => reverse(f(9), 1)],
  ["sum", "x", "f32[9]", "2 dimensions", () => sum(f(9), 1)],
  ["spread", "x", "f32[4]", "[3]", () => spread(f(4), 1, f(3, 2))],
  ["sumTo", "x", "f32[tokens, 4]", "3", () => sumTo(f(tokens, 4), [3])],
  ["repeat", "x", "f32[3]", "f32[tokens, 4]", () => repeat(f(3), f(tokens, 4))],
  ["reshapeLike", "x", "f32[tokens, 4]", "f32[tokens, 5]", () => reshapeLike(f(tokens, 4), f(tokens, 5))],
  ["matmul", "b", "f32[3, 4]", "5 rows", () => matmul(f(2, 5), f(3, 4))],
  ["matmul", "b", "f32[2, 5, 4]", "f32[3, 2, 5]", () => matmul(f(3, 2, 5), f(2, 5, 4))],
  ["weightGradient", "dy", "f32[3, 2]", "the rows of f32[tokens, 4]", () => weightGradient(f(tokens, 4), f(3, 2))],
  ["weightGradient", "sum", "f32[2, 4]", "[4, 2]", () => weightGradient(f(3, 4), f(3, 2), f(2, 4))],
  ["gatherBackward", "dy", "f32[2, 3]", "[2, 4]", () => gatherBackward(f(9, 4), t("i64", 2), f(2, 3), 0)],
  ["gatherBackward", "sum", "f32[9, 3]", "f32[9, 4]", () => gatherBackward(f(9, 4), t("i64", 2), f(2, 4), 0, f(9, 3))],
  ["crossEntropy", "targets", "i64[3]", "i64[2]", () => crossEntropy(f(2, 7), t("i64", 3))],
  ["crossEntropy", "targets", "f32[2]", "i64[2]", () => crossEntropy(f(2, 7), f(2))],
  ["causalAttention", "q", "f32[1, 3, 31]", "[batch, tokens, 32]", () => causal({ q: f(1, 3, 31) })],
  ["causalAttention", "q", "f32[1, tokens, 32]", "a known batch size", () => causal({ q: f(1, tokens, 32) })],
  ["causalAttention", "v", "f32[1, 3, 32]", "[1, 3, 16]", () => causal({ v: f(1, 3, 32) })],
  ["causalAttention", "documents", "i32[1, 3]", "i64[1, 3]", () => causal({ documents: t("i32", 1, 3) })],
  ["causalAttention", "prefix", "i64[3]", "i64[1, 3]", () => causal({ prefix: t("i64", 3) })],
  ["tokenPlaces", "mask", "i64[2, 3]", "i32[batch, tokens]", () => tokenPlaces(t("i64", 2, 3), 4)],
  ["tokenRows", "mask", "i32[9]", "i32[batch, tokens]", () => tokenRows(t("i32", 9))],
  ["quantizedLinear", "x", "f32[1, 2, 32]", "[5, 64]", () => quantizedLinear(f(1, 2, 32), matrix)],
  [
    "quantizedLinear",
    "codes",
    "u8[5, 2, 8]",
    "[rows, blocks, 32 or 64]",
    () => quantizedLinear(qkv, { ...matrix, codes: t("u8", 5, 2, 8) }),
  ],
  ["quantizedLinear", "scale", "f32[5, 3]", "[5,2]", () => quantizedLinear(qkv, { ...matrix, scale: f(5, 3) })],
  ["quantizedLinear", "zero", "u8[2, 5]", "[5,2]", () => quantizedLinear(qkv, { ...matrix, zero: t("u8", 2, 5) })],
  [
    "quantizedLinear",
    "codes",
    "u8[5, 3, 8]",
    "[rows, blocks, 16 or 32]",
    () => quantizedLinear(f(1, 2, 96), { ...narrow, codes: t("u8", 5, 3, 8) }),
  ],
  [
    "quantizedLinear",
    "zero",
    "u8[5, 3]",
    "[5,2]",
    () => quantizedLinear(f(1, 2, 96), { ...narrow, zero: t("u8", 5, 3) }),
  ],
  [
    "quantizedLinear",
    "codes",
    "u8[5, 19, 32]",
    "[rows, blocks, 16]",
    () => quantizedLinear(f(1, 2, 544), { ...corrected, codes: t("u8", 5, 19, 32) }),
  ],
  ["quantizedLinear", "x", "f32[1, 2, 608]", "[5, 544]", () => quantizedLinear(f(1, 2, 608), corrected)],
  ["quantizedEmbedding", "ids", "f32[1, 2]", "i64", () => quantizedEmbedding(f(1, 2), table)],
  ["quantizedEmbedding", "ids", "i64[2]", "[batch, tokens]", () => quantizedEmbedding(t("i64", 2), table)],
  [
    "quantizedEmbedding",
    "scale",
    "f32[4, 2]",
    "[5,2]",
    () => quantizedEmbedding(t("i64", 1, 2), { ...table, scale: f(4, 2) }),
  ],
  [
    "quantizedEmbedding",
    "codes",
    "u8[5, 2, 32]",
    "[rows, 32 or 64 a block]",
    () => quantizedEmbedding(t("i64", 1, 2), matrix),
  ],
  ["cachedAttention", "qkv", "f32[1, tokens, 63]", "[batch, tokens, 64]", () => attention({}, f(1, tokens, 63))],
  [
    "cachedAttention",
    "qkv",
    "f32[1, tokens, 32]",
    "16, not 8",
    () => attention({}, f(1, tokens, 32), tables, { headSize: 8 }),
  ],
  [
    "cachedAttention",
    "pastKey",
    "f32[1, 2, 9, 16]",
    "[1, 1, capacity, 16]",
    () => attention({ pastKey: f(1, 2, 9, 16) }),
  ],
  [
    "cachedAttention",
    "pastValue",
    "f32[2, 1, 9, 16]",
    "[1, 1, capacity, 16]",
    () => attention({ pastValue: f(2, 1, 9, 16) }),
  ],
  ["cachedAttention", "lengths", "i64[1]", "i32[1]", () => attention({ lengths: t("i64", 1) })],
  ["cachedAttention", "total", "i32[1]", "i32[]", () => attention({ total: t("i32", 1) })],
  ["cachedAttention", "cos", "f32[9, 16]", "[positions, 8]", () => attention({}, qkv, { ...tables, cos: f(9, 16) })],
  ["cachedAttention", "sin", "f32[8]", "[positions, 8]", () => attention({}, qkv, { ...tables, sin: f(8) })],
  ["cachedAttention", "cos", "missing", "[positions, 8]", () => cachedAttention(qkv, cache, undefined, attrs)],
  ["rotaryEmbedding", "x", "f32[1, 3, 31]", "2 heads of 2 * 8", () => rotary(f(1, 3, 31), t("i64", 1))],
  ["rotaryEmbedding", "positions", "i64[2]", "i64[1] or i64[1,3]", () => rotary(f(1, 3, 32), t("i64", 2))],
  ["rotaryEmbedding", "sin", "f32[8, 8]", "f32[9, 8]", () => rotary(f(1, 3, 32), t("i64", 1), f(8, 8))],
  [
    "writeCache",
    "update",
    "f32[1, 2, 3, 7]",
    "f32[1, 2, 9, 8]",
    () => writeCache(f(1, 2, 9, 8), f(1, 2, 3, 7), t("i64", 1)),
  ],
  ["tileAttention", "key", "f32[2, 16]", "f32[3, 16]", () => tile({ key: f(2, 16) })],
  ["tileAttention", "pastKeys", "f32[6, 8]", "f32[6, 16]", () => tile({ pastKeys: f(6, 8) })],
  ["tileAttention", "values", "f32[8, 16]", "f32[9, 16]", () => tile({ values: f(8, 16) })],
  ["tileAttention", "causal", "f32[3, 4]", "f32[3, 3]", () => tile({ causal: f(3, 4) })],
];

test.each(mistakes)("%s says that %s is %s and should be %s", (op, operand, got, expected, call) => {
  expect(call).toThrow(ShapeError);
  expect(call).toThrow(`${op}: operand "${operand}" is ${got}, expected`);
  expect(call).toThrow(expected);
});

test("each operator's right use passes", () => {
  expect(attention({}).y.shape).toEqual([1, tokens, 32]);
  expect(quantizedLinear(qkv, matrix).shape).toEqual([1, tokens, 5]);
  expect(quantizedLinear(f(1, tokens, 96), narrow).shape).toEqual([1, tokens, 5]);
  expect(quantizedLinear(f(1, tokens, 544), corrected).shape).toEqual([1, tokens, 5]);
  expect(quantizedEmbedding(t("i64", 1, tokens), table).shape).toEqual([1, tokens, 64]);
  expect(quantizedEmbedding(t("i64", 1, tokens), { ...narrow, codes: t("u8", 5, 48) }).shape).toEqual([1, tokens, 96]);
  expect(matmulTransposed(f(2, 7, 4), f(2, 5, 4)).shape).toEqual([2, 7, 5]);
  expect(split(f(tokens, 4), 1, [3, 1]).map((x) => x.shape)).toEqual([
    [tokens, 3],
    [tokens, 1],
  ]);
  expect(gather(f(9, 4, 2), t("i64", 1, tokens), 1).shape).toEqual([9, 1, tokens, 2]);
  expect(rotary(f(1, 3, 32), t("i64", 1)).shape).toEqual([1, 3, 32]);
  expect(tile({}).shape).toEqual([1, 3, 16]);
});
