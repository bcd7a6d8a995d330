/** Compares compiled scores with brute force in float64, and checks their bill. */
import { describe, expect, test } from "vitest";
import type { Chunk } from "../block-sparse/chunk.ts";
import {
  Bill,
  config,
  difference,
  fakeDecoder,
  Rig,
  randomPrompt,
  rotatedHead,
} from "../block-sparse/kernels.testing.ts";
import { blockScores, chunkOf, type Head, probabilities } from "../block-sparse/oracle.testing.ts";
import { createScores } from "./chooser.ts";
import { countedScoringFlops } from "./cost.testing.ts";
import { xattentionOptions } from "./options.ts";

const { heads, headSize } = config;

/** The scores by brute force, [heads · rows · cols]. */
function oracleScores(prompt: readonly Head[], chunk: Chunk, options: Parameters<typeof blockScores>[1]): number[] {
  return prompt.flatMap((head) => [...blockScores(chunkOf(head, chunk.past, chunk.tokens), options).scores]);
}

async function scores(rig: Rig, chunk: Chunk, values: Record<string, unknown>, bill = new Bill()) {
  const { blockSize } = rig.kernels.shape;
  using scorer = await createScores(rig.limits, xattentionOptions.parse({ blockSize, ...values }));
  return await scorer.of(rig.placed(chunk, bill));
}

const shapes = [
  [32, 4],
  [64, 8],
  [128, 16],
] as const;

describe("block scores equal the mean over sampled pairs, brute force", () => {
  test.each(shapes)("blocks of %d, stride %d: patterns, ragged tails, a past", async (blockSize, stride) => {
    using rig = await Rig.create({ blockSize });
    const prompt = randomPrompt(blockSize, 4 * blockSize);
    for (const [past, tokens] of [
      [0, 3 * blockSize],
      [0, 2 * blockSize + stride + 1],
      [0, blockSize - 3],
      [2 * blockSize, blockSize + 5],
    ] as const) {
      const chunk = await rig.place(prompt, past, tokens);
      for (const select of ["antidiagonal", "diagonal", "random"] as const) {
        const expected = oracleScores(prompt, chunk, { select, stride, blockSize, seed: 5 });
        expect(
          difference(await scores(rig, chunk, { select, stride, seed: select === "random" ? 5 : 0 }), expected),
          `${select} ${past}+${tokens}`,
        ).toBeLessThanOrEqual(1e-5);
      }
    }
  });

  test("with the alternating shift, whose scores are others", async () => {
    using rig = await Rig.create({ blockSize: 32 });
    const prompt = randomPrompt(3, 160);
    const chunk = await rig.place(prompt, 64, 70);
    const shifted = await scores(rig, chunk, { stride: 8, alternateShift: true });
    const options = { select: "antidiagonal", stride: 8, blockSize: 32, alternateShift: true } as const;
    expect(difference(shifted, oracleScores(prompt, chunk, options))).toBeLessThanOrEqual(1e-5);
    expect(difference(shifted, await scores(rig, chunk, { stride: 8 }))).toBeGreaterThan(1e-3);
  });

  test.each([
    [0, 128],
    [0, 75],
    [64, 41],
  ])("mean-pool over real tokens alone, %d + %d", async (past, tokens) => {
    using rig = await Rig.create({ blockSize: 32 });
    const prompt = randomPrompt(4, 160);
    const chunk = await rig.place(prompt, past, tokens);
    const expected = oracleScores(prompt, chunk, { select: "mean-pool", stride: 8, blockSize: 32 });
    expect(difference(await scores(rig, chunk, { stride: 8, select: "mean-pool" }), expected)).toBeLessThanOrEqual(
      1e-5,
    );
  });

  test("stride 1 gives the exact mass of every block", async () => {
    using rig = await Rig.create({ blockSize: 32 });
    const prompt = randomPrompt(6, 100);
    const chunk = await rig.place(prompt, 32, 60);
    const got = await scores(rig, chunk, { stride: 1 });
    const [rows, cols] = [2, 3];
    for (const [h, head] of prompt.entries())
      for (const [i, row] of probabilities(chunkOf(head, 32, 60)).entries())
        for (const [key, p] of row.entries()) got[(h * rows + Math.floor(i / 32)) * cols + Math.floor(key / 32)]! -= p;
    // Each row's mass is 32.
    expect(Math.max(...got.map(Math.abs)) / 32).toBeLessThanOrEqual(1e-6);
  });
});

test.each(["half", "interleaved"] as const)("queries and keys are rotated to their places (%s)", async (pairs) => {
  using rig = await Rig.create({ blockSize: 32 }, fakeDecoder(pairs));
  const prompt = randomPrompt(14, 150);
  const chunk = await rig.place(prompt, 64, 86);
  const turned = prompt.map((head) => rotatedHead(head, pairs));
  const options = { select: "antidiagonal", stride: 8, blockSize: 32 } as const;
  const got = await scores(rig, chunk, { stride: 8 });
  expect(difference(got, oracleScores(turned, chunk, options))).toBeLessThanOrEqual(2e-5);
});

describe("what is billed", () => {
  // Softmax and sums take a few operations per S·d multiply-adds of a score: at most 3 % for S·d ≥ 128.
  test.each(shapes)("scoring, blocks of %d, stride %d: each chunk's rectangle of groups", async (blockSize, stride) => {
    using rig = await Rig.create({ blockSize });
    const prompt = randomPrompt(15, 1024);
    let [flops, rectangles, triangle] = [0, 0, 0];
    for (let past = 0; past < 1024; past += blockSize) {
      const chunk = await rig.place(prompt, past, blockSize);
      const bill = new Bill();
      await scores(rig, chunk, { stride }, bill);
      flops += bill.caused.flops;
      rectangles += (2 * heads * (blockSize * (past + blockSize) * headSize)) / stride;
      triangle += heads * countedScoringFlops({ queries: blockSize, past, headDim: headSize, stride });
    }
    expect(flops).toBeGreaterThanOrEqual(rectangles);
    expect(flops / rectangles).toBeLessThan(1 + 8 / (stride * headSize));
    // Slightly more than the triangle of the closed form, because half of the diagonal block is computed and masked.
    expect(rectangles / triangle).toBeLessThanOrEqual(1 + blockSize / 1024 + 1e-9);
  });
});
