import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import {
  bytesOfCodes,
  type CodeBits,
  type Precision,
  quantizedEmbedding,
  quantizedLinear,
  storedBlocks,
} from "../../graph/ops/quantized.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, type Feed, integers, noise, normError, type Trial, worst } from "../compare.testing.ts";

interface Form {
  readonly bits: CodeBits;
  readonly block: number;
  readonly corrected: boolean;
}

/** Codes, scales and zero points of a random matrix [n, blocks · block], with its correction. */
function matrix(n: number, blocks: number, { bits, block, corrected }: Form): Record<string, Feed> {
  const stored = corrected ? storedBlocks(blocks) : blocks;
  const scale = noise(n, [n, stored]);
  return {
    codes: integers(n + 1, "u8", [n, stored, bytesOfCodes(block, bits)], 256),
    scale: { ...scale, data: Float32Array.from(scale.data as Float32Array, (v) => v / 2 ** (bits - 1)) },
    zero: integers(n + 2, "u8", [n, bytesOfCodes(stored, bits)], 256),
  };
}

const parts = (t: Readonly<Record<string, Tensor>>, { bits, corrected }: Form) => ({
  ...{ bits, corrected },
  codes: t.codes!,
  scale: t.scale!,
  zero: t.zero!,
});

const product =
  (form: Form, precision?: Precision): Trial["trace"] =>
  (t) => ({ y: quantizedLinear(t.x!, parts(t, form), precision) });

const sizes = [
  { batch: 1, tokens: 1, n: 1, blocks: 1 },
  { batch: 1, tokens: 1, n: 49, blocks: 18 },
  { batch: 2, tokens: 3, n: 17, blocks: 3 },
  { batch: 2, tokens: 33, n: 65, blocks: 5 },
];

const whole = ([4, 8] as const).flatMap((bits) => [32, 64].map((block): Form => ({ bits, block, corrected: false })));
const narrow: Form = { bits: 4, block: 32, corrected: true };
const wide: Form = { bits: 8, block: 32, corrected: false };

describe.each([...whole, narrow])("$bits bits, blocks of $block, corrected: $corrected", (form) => {
  const { block } = form;

  test.each(sizes)("$batch × $tokens tokens into $n, $blocks blocks", async ({ batch, tokens, n, blocks }) => {
    const x = noise(tokens, [batch, tokens, blocks * block], [sym("batch"), sym("tokens"), blocks * block]);
    const trial = { inputs: { x }, constants: matrix(n, blocks, form), bindings: { batch, tokens } };
    expect(await worst({ ...trial, trace: product(form, "float32") })).toBeLessThan(1e-5);
    const { y } = await compare({ ...trial, trace: product(form, "int8") });
    // One product of a few numbers may be small by chance, with a large relative error.
    expect(normError(y!)).toBeLessThan(n * blocks > 1 ? 0.01 : 0.03);
  });

  test("rows that are of no batch", async () => {
    const x = noise(7, [5, 3 * block], [sym("kept"), 3 * block]);
    const trial = { inputs: { x }, constants: matrix(17, 3, form), bindings: { kept: 5 } };
    expect(await worst({ ...trial, trace: product(form, "float32") })).toBeLessThan(1e-5);
  });

  test("rows in two dimensions", async () => {
    const trial = { inputs: { x: noise(7, [2, 3, 5, 3 * block]) }, constants: matrix(17, 3, form) };
    expect(await worst({ ...trial, trace: product(form, "float32") })).toBeLessThan(1e-5);
  });

  test("embedding rows, batch 2, the same row twice", async () => {
    const ids: Feed = {
      dtype: "i64",
      shape: [2, 3],
      data: [0, 4, 4, 2, 0, 6],
      symbolic: [sym("batch"), sym("tokens")],
    };
    const { codes, ...rest } = matrix(7, 5, form);
    const [rows, blocks, bytes] = codes!.shape as [number, number, number];
    const table = { ...rest, codes: { ...codes!, shape: [rows, blocks * bytes] } };
    const trial = { inputs: { ids }, constants: table, bindings: { batch: 2, tokens: 3 } };
    const trace: Trial["trace"] = (t) => ({ y: quantizedEmbedding(t.ids!, parts(t, form)) });
    expect(await worst({ ...trial, trace })).toBeLessThan(1e-6);
  });
});

test.each([narrow, wide])("$bits bits: int8 is the default, and rounds", async (form) => {
  const trial = { inputs: { x: noise(1, [1, 2, 64]) }, constants: matrix(9, 2, form) };
  const [plain, int8, float32] = await Promise.all(
    [product(form), product(form, "int8"), product(form, "float32")].map((trace) => compare({ ...trial, trace })),
  );
  expect(plain!.y!.got.data).toEqual(int8!.y!.got.data);
  expect(normError(int8!.y!)).toBeGreaterThan(normError(float32!.y!));
});

test("scales of zero leave the correction alone", async () => {
  const constants = matrix(3, 2, narrow);
  const scale = Float32Array.from(constants.scale!.data as Float32Array, (v, i) => (i % 3 === 2 ? v : 0));
  const trial = {
    inputs: { x: noise(1, [1, 2, 64]) },
    constants: { ...constants, scale: { ...constants.scale!, data: scale } },
  };
  const { y } = await compare({ ...trial, trace: product(narrow, "float32") });
  expect(normError(y!)).toBeLessThan(1e-5);
  expect(Math.max(...y!.expected.data.map(Math.abs))).toBeGreaterThan(0.1);
});
