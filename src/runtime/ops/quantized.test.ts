import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { type Precision, quantizedEmbedding, quantizedLinear } from "../../graph/ops/quantized.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, type Feed, integers, noise, normError, type Trial, worst } from "../compare.testing.ts";

/** Codes, scales, zero points and, if asked for, residuals of a random matrix [n, blocks · block]. */
function matrix(n: number, blocks: number, withResidual: boolean, block = 32): Record<string, Feed> {
  const scale = noise(n, [n, blocks]);
  return {
    codes: integers(n + 1, "u8", [n, blocks, block], 256),
    scale: { ...scale, data: Float32Array.from(scale.data as Float32Array, (v) => v / 128) },
    zero: integers(n + 2, "u8", [n, blocks], 256),
    ...(withResidual && { residual: noise(n + 3, [blocks, n]) }),
  };
}

const parts = (t: Readonly<Record<string, Tensor>>) => ({
  codes: t.codes!,
  scale: t.scale!,
  zero: t.zero!,
  residual: t.residual,
});

const product =
  (precision?: Precision): Trial["trace"] =>
  (t) => ({ y: quantizedLinear(t.x!, parts(t), precision) });

const sizes = [
  { batch: 1, tokens: 1, n: 1, blocks: 1 },
  { batch: 1, tokens: 1, n: 49, blocks: 18 },
  { batch: 2, tokens: 3, n: 17, blocks: 3 },
  { batch: 2, tokens: 33, n: 65, blocks: 5 },
];

const forms = [16, 32].flatMap((block) => [false, true].map((withResidual) => ({ block, withResidual })));

describe.each(forms)("blocks of $block, residual: $withResidual", ({ block, withResidual }) => {
  test.each(sizes)("$batch × $tokens tokens into $n, $blocks blocks", async ({ batch, tokens, n, blocks }) => {
    const x = noise(tokens, [batch, tokens, blocks * block], [sym("batch"), sym("tokens"), blocks * block]);
    const trial = { inputs: { x }, constants: matrix(n, blocks, withResidual, block), bindings: { batch, tokens } };
    expect(await worst({ ...trial, trace: product("float32") })).toBeLessThan(1e-5);
    const { y } = await compare({ ...trial, trace: product("int8") });
    // One product of a few numbers may be small by chance, and its error large beside it.
    expect(normError(y!)).toBeLessThan(n * blocks > 1 ? 0.01 : 0.03);
  });

  test("embedding rows, batch 2, the same row twice", async () => {
    const ids: Feed = {
      dtype: "i64",
      shape: [2, 3],
      data: [0, 4, 4, 2, 0, 6],
      symbolic: [sym("batch"), sym("tokens")],
    };
    const trial = { inputs: { ids }, constants: matrix(7, 5, withResidual, block), bindings: { batch: 2, tokens: 3 } };
    expect(await worst({ ...trial, trace: (t) => ({ y: quantizedEmbedding(t.ids!, parts(t)) }) })).toBeLessThan(1e-6);
  });
});

test("int8 is the default, and rounds", async () => {
  const trial = { inputs: { x: noise(1, [1, 2, 64]) }, constants: matrix(9, 2, true) };
  const [plain, int8, float32] = await Promise.all(
    [product(), product("int8"), product("float32")].map((trace) => compare({ ...trial, trace })),
  );
  expect(plain!.y!.got.data).toEqual(int8!.y!.got.data);
  expect(normError(int8!.y!)).toBeGreaterThan(normError(float32!.y!));
});

test("a scale of zero leaves the residual alone", async () => {
  const constants = matrix(3, 2, true);
  const zeroed = { ...constants, scale: { ...constants.scale!, data: new Float32Array(6) } };
  const trial = { inputs: { x: noise(1, [1, 2, 64]) }, constants: zeroed };
  expect(await worst({ ...trial, trace: product("float32") })).toBeLessThan(1e-5);
});
