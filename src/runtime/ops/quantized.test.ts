import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import {
  bytesOfCodes,
  type CodeBits,
  type Precision,
  quantizedEmbedding,
  quantizedLinear,
} from "../../graph/ops/quantized.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, type Feed, integers, noise, normError, type Trial, worst } from "../compare.testing.ts";

interface Form {
  readonly bits: CodeBits;
  readonly block: number;
  readonly withResidual: boolean;
}

/** Codes, scales, zero points and optional residuals of a random matrix [n, blocks · block]. */
function matrix(n: number, blocks: number, { bits, block, withResidual }: Form): Record<string, Feed> {
  const scale = noise(n, [n, blocks]);
  return {
    codes: integers(n + 1, "u8", [n, blocks, bytesOfCodes(block, bits)], 256),
    scale: { ...scale, data: Float32Array.from(scale.data as Float32Array, (v) => v / 2 ** (bits - 1)) },
    zero: integers(n + 2, "u8", [n, bytesOfCodes(blocks, bits)], 256),
    ...(withResidual && { residual: noise(n + 3, [blocks, n]) }),
  };
}

const parts = (t: Readonly<Record<string, Tensor>>, bits: CodeBits) => ({
  bits,
  codes: t.codes!,
  scale: t.scale!,
  zero: t.zero!,
  residual: t.residual,
});

const product =
  (bits: CodeBits, precision?: Precision): Trial["trace"] =>
  (t) => ({ y: quantizedLinear(t.x!, parts(t, bits), precision) });

const sizes = [
  { batch: 1, tokens: 1, n: 1, blocks: 1 },
  { batch: 1, tokens: 1, n: 49, blocks: 18 },
  { batch: 2, tokens: 3, n: 17, blocks: 3 },
  { batch: 2, tokens: 33, n: 65, blocks: 5 },
];

const forms: Form[] = ([4, 8] as const).flatMap((bits) =>
  [16, 32].flatMap((block) => [false, true].map((withResidual) => ({ bits, block, withResidual }))),
);

describe.each(forms)("$bits bits, blocks of $block, residual: $withResidual", (form) => {
  const { bits, block } = form;

  test.each(sizes)("$batch × $tokens tokens into $n, $blocks blocks", async ({ batch, tokens, n, blocks }) => {
    const x = noise(tokens, [batch, tokens, blocks * block], [sym("batch"), sym("tokens"), blocks * block]);
    const trial = { inputs: { x }, constants: matrix(n, blocks, form), bindings: { batch, tokens } };
    expect(await worst({ ...trial, trace: product(bits, "float32") })).toBeLessThan(1e-5);
    const { y } = await compare({ ...trial, trace: product(bits, "int8") });
    // One product of a few numbers may be small by chance, and its relative error large.
    expect(normError(y!)).toBeLessThan(n * blocks > 1 ? 0.01 : 0.03);
  });

  test("rows that are of no batch", async () => {
    const x = noise(7, [5, 3 * block], [sym("kept"), 3 * block]);
    const trial = { inputs: { x }, constants: matrix(17, 3, form), bindings: { kept: 5 } };
    expect(await worst({ ...trial, trace: product(bits, "float32") })).toBeLessThan(1e-5);
  });

  test("rows in two dimensions", async () => {
    const trial = { inputs: { x: noise(7, [2, 3, 5, 3 * block]) }, constants: matrix(17, 3, form) };
    expect(await worst({ ...trial, trace: product(bits, "float32") })).toBeLessThan(1e-5);
  });

  test("embedding rows, batch 2, the same row twice", async () => {
    const ids: Feed = {
      dtype: "i64",
      shape: [2, 3],
      data: [0, 4, 4, 2, 0, 6],
      symbolic: [sym("batch"), sym("tokens")],
    };
    const { codes, ...rest } = matrix(7, 5, form);
    const table = { ...rest, codes: { ...codes!, shape: [7, bytesOfCodes(5 * block, bits)] } };
    const trial = { inputs: { ids }, constants: table, bindings: { batch: 2, tokens: 3 } };
    const trace: Trial["trace"] = (t) => ({ y: quantizedEmbedding(t.ids!, parts(t, bits)) });
    expect(await worst({ ...trial, trace })).toBeLessThan(1e-6);
  });
});

const residual = (bits: CodeBits): Form => ({ bits, block: 32, withResidual: true });

test.each([4, 8] as const)("%i bits: int8 is the default, and rounds", async (bits) => {
  const trial = { inputs: { x: noise(1, [1, 2, 64]) }, constants: matrix(9, 2, residual(bits)) };
  const [plain, int8, float32] = await Promise.all(
    [product(bits), product(bits, "int8"), product(bits, "float32")].map((trace) => compare({ ...trial, trace })),
  );
  expect(plain!.y!.got.data).toEqual(int8!.y!.got.data);
  expect(normError(int8!.y!)).toBeGreaterThan(normError(float32!.y!));
});

test.each([4, 8] as const)("%i bits: a scale of zero leaves the residual alone", async (bits) => {
  const constants = matrix(3, 2, residual(bits));
  const zeroed = { ...constants, scale: { ...constants.scale!, data: new Float32Array(6) } };
  const trial = { inputs: { x: noise(1, [1, 2, 64]) }, constants: zeroed };
  expect(await worst({ ...trial, trace: product(bits, "float32") })).toBeLessThan(1e-5);
});
