/** The compiled half against brute force in float64: scores, attention over a mask, and what they are billed at. */
import { describe, expect, test } from "vitest";
import { ndarray } from "../../../graph/ndarray.ts";
import { rotate } from "../../../graph/ops/rotary.ts";
import { ropeTable } from "../../../nn/rope.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { seededRandom } from "../../../util/random.ts";
import { BlockMask } from "./block-mask.ts";
import { type Chunk, rowsOf } from "./chunk.ts";
import { countedAttentionFlops, countedScoringFlops } from "./cost.ts";
import { estimateBlockScores } from "./estimate.ts";
import { Bill, config, difference, fakeDecoder, headOf, Rig, randomPrompt, rope } from "./kernels.testing.ts";
import { xattentionOptions } from "./options.ts";
import { blockScores, chunkOf, denseAttention, type Head, probabilities, sparseAttention } from "./oracle.testing.ts";

const { heads, headSize } = config;

/** [heads · rows · cols] by brute force. */
function oracleScores(prompt: readonly Head[], chunk: Chunk, options: Parameters<typeof blockScores>[1]): number[] {
  return prompt.flatMap((head) => [...blockScores(chunkOf(head, chunk.past, chunk.tokens), options).scores]);
}

async function scores(rig: Rig, chunk: Chunk, values: Record<string, unknown>, bill = new Bill()) {
  const { blockSize, stride } = rig.kernels.shape;
  const options = xattentionOptions.parse({ blockSize, stride, ...values });
  return estimateBlockScores({ chunk, kernels: rig.kernels, options, threshold: 0.9, denseFrom: 99, bill });
}

async function attend(rig: Rig, chunk: Chunk, mask: BlockMask, bill = new Bill()): Promise<Float32Array> {
  const padded = rowsOf(chunk, rig.kernels.shape.blockSize) * rig.kernels.shape.blockSize;
  using attended = new Buffer("f32", padded * heads * headSize);
  await rig.kernels.attend(chunk, mask, attended.view([1, padded, heads * headSize]), bill);
  return new Float32Array(attended.memory).slice(0, chunk.tokens * heads * headSize);
}

/** A mask of a chunk's blocks, by chance; the diagonal is kept unless `diagonal` is false. */
function chanceMask(rig: Rig, chunk: Chunk, share: number, { maskHeads = heads, diagonal = true, seed = 1 } = {}) {
  const rowOffset = chunk.past / rig.kernels.shape.blockSize;
  const random = seededRandom(seed);
  const shape = { heads: maskHeads, rows: rowsOf(chunk, rig.kernels.shape.blockSize), rowOffset };
  return BlockMask.from(shape, (_, row, block) => {
    const kept = random() < share;
    return block === rowOffset + row ? diagonal || block === 0 : kept || block === 0;
  });
}

const shapes = [
  [32, 4],
  [64, 8],
  [128, 16],
] as const;

describe("block scores equal the mean over sampled pairs, brute force", () => {
  test.each(shapes)("blocks of %d, stride %d: patterns, ragged tails, a past", async (blockSize, stride) => {
    using rig = await Rig.create({ blockSize, stride });
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
          difference(await scores(rig, chunk, { select, seed: 5 }), expected),
          `${select} ${past}+${tokens}`,
        ).toBeLessThanOrEqual(1e-5);
      }
    }
  });

  test("with the alternating shift, whose scores are others", async () => {
    using rig = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(3, 160);
    const chunk = await rig.place(prompt, 64, 70);
    const shifted = await scores(rig, chunk, { alternateShift: true });
    const options = { select: "antidiagonal", stride: 8, blockSize: 32, alternateShift: true } as const;
    expect(difference(shifted, oracleScores(prompt, chunk, options))).toBeLessThanOrEqual(1e-5);
    expect(difference(shifted, await scores(rig, chunk, {}))).toBeGreaterThan(1e-3);
  });

  test.each([
    [0, 128],
    [0, 75],
    [64, 41],
  ])("mean-pool over real tokens alone, %d + %d", async (past, tokens) => {
    using rig = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(4, 160);
    const chunk = await rig.place(prompt, past, tokens);
    const expected = oracleScores(prompt, chunk, { select: "mean-pool", stride: 8, blockSize: 32 });
    expect(difference(await scores(rig, chunk, { select: "mean-pool" }), expected)).toBeLessThanOrEqual(1e-5);
  });

  test("stride 1 gives the exact mass of every block", async () => {
    using rig = await Rig.create({ blockSize: 32, stride: 1 });
    const prompt = randomPrompt(6, 100);
    const chunk = await rig.place(prompt, 32, 60);
    const got = await scores(rig, chunk, {});
    const [rows, cols] = [2, 3];
    for (const [h, head] of prompt.entries())
      for (const [i, row] of probabilities(chunkOf(head, 32, 60)).entries())
        for (const [key, p] of row.entries()) got[(h * rows + Math.floor(i / 32)) * cols + Math.floor(key / 32)]! -= p;
    // Of a row's mass of 32.
    expect(Math.max(...got.map(Math.abs)) / 32).toBeLessThanOrEqual(1e-6);
  });
});

test("the last queries' probabilities are exact", async () => {
  using rig = await Rig.create({ blockSize: 32, stride: 8 });
  const prompt = randomPrompt(7, 160);
  const chunk = await rig.place(prompt, 64, 50);
  const bill = new Bill();
  const got = await rig.kernels.scores.last(chunk, 20, bill.overhead);
  const expected = prompt.flatMap((head) =>
    probabilities(chunkOf(head, 64, 50))
      .slice(30)
      .flatMap((row) => [...row, ...new Array<number>(114 - row.length).fill(0)]),
  );
  expect(difference(got, expected)).toBeLessThanOrEqual(1e-6);
  expect(bill.caused.flops).toBeGreaterThanOrEqual(2 * heads * 20 * 114 * headSize);
});

describe("attention over a mask", () => {
  const chunks = [
    [0, 256],
    [0, 201],
    [0, 20],
    [128, 77],
  ] as const;

  test.each([16, 32, 64])(
    "blocks of %d: an arbitrary mask equals dense attention with the mask expanded",
    async (blockSize) => {
      using rig = await Rig.create({ blockSize, stride: 8 });
      const prompt = randomPrompt(blockSize, 256);
      for (const [past, tokens] of chunks) {
        const chunk = await rig.place(prompt, past, tokens);
        const mask = chanceMask(rig, chunk, 0.4);
        const attended = await attend(rig, chunk, mask);
        for (const [h, head] of prompt.entries()) {
          const expected = sparseAttention(chunkOf(head, past, tokens), mask, h, blockSize);
          expect(difference(headOf(attended, h), expected), `${past}+${tokens}, head ${h}`).toBeLessThanOrEqual(1e-5);
        }
      }
    },
  );

  test("all blocks: dense attention", async () => {
    using rig = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(8, 256);
    for (const [past, tokens] of chunks) {
      const chunk = await rig.place(prompt, past, tokens);
      const attended = await attend(rig, chunk, chanceMask(rig, chunk, 1.1));
      for (const [h, head] of prompt.entries())
        expect(difference(headOf(attended, h), denseAttention(chunkOf(head, past, tokens)))).toBeLessThanOrEqual(1e-5);
    }
  });

  test("a row without its own block attends to the blocks it kept", async () => {
    using rig = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(9, 200);
    for (const [past, tokens] of [
      [0, 200],
      [96, 90],
    ] as const) {
      const chunk = await rig.place(prompt, past, tokens);
      const mask = chanceMask(rig, chunk, 0.5, { diagonal: false });
      const attended = await attend(rig, chunk, mask);
      for (const [h, head] of prompt.entries())
        expect(
          difference(headOf(attended, h), sparseAttention(chunkOf(head, past, tokens), mask, h, 32)),
        ).toBeLessThanOrEqual(1e-5);
    }
  });

  test("a mask of key-value heads serves their groups", async () => {
    using rig = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(10, 200);
    const chunk = await rig.place(prompt, 0, 200);
    const mask = chanceMask(rig, chunk, 0.4, { maskHeads: config.kvHeads });
    const attended = await attend(rig, chunk, mask);
    for (const [h, head] of prompt.entries())
      expect(difference(headOf(attended, h), sparseAttention(head, mask, h >> 1, 32))).toBeLessThanOrEqual(1e-5);
  });

  test("many small blocks", async () => {
    using rig = await Rig.create({ blockSize: 8, stride: 8 });
    const prompt = randomPrompt(11, 1024);
    const chunk = await rig.place(prompt, 0, 1024);
    const mask = chanceMask(rig, chunk, 0.9);
    const attended = await attend(rig, chunk, mask);
    expect(difference(headOf(attended, 3), sparseAttention(prompt[3]!, mask, 3, 8))).toBeLessThanOrEqual(1e-5);
  });

  test("a row of very many blocks", async () => {
    using rig = await Rig.create({ blockSize: 2, stride: 2 });
    const prompt = randomPrompt(12, 1028);
    const chunk = await rig.place(prompt, 1026, 2);
    const mask = BlockMask.from({ heads, rows: 1, rowOffset: 513 }, (_, _row, block) => block !== 7);
    const attended = await attend(rig, chunk, mask);
    expect(
      difference(headOf(attended, 2), sparseAttention(chunkOf(prompt[2]!, 1026, 2), mask, 2, 2)),
    ).toBeLessThanOrEqual(1e-5);
  });

  test("chunk after chunk gives what one shot gives", async () => {
    using whole = await Rig.create({ blockSize: 32, stride: 8 });
    using parts = await Rig.create({ blockSize: 32, stride: 8 });
    const prompt = randomPrompt(13, 230);
    const all = await whole.place(prompt, 0, 230);
    const mask = chanceMask(whole, all, 0.4);
    const expected = await attend(whole, all, mask);
    const got: number[] = [];
    for (const [past, tokens] of [
      [0, 96],
      [96, 32],
      [128, 102],
    ] as const) {
      const chunk = await parts.place(prompt, past, tokens);
      const [rows, rowOffset] = [rowsOf(chunk, 32), past / 32];
      const part = BlockMask.from({ heads, rows, rowOffset }, (h, row, block) => mask.has(h, rowOffset + row, block));
      got.push(...(await attend(parts, chunk, part)));
    }
    expect(difference(got, expected)).toBeLessThanOrEqual(1e-6);
  });
});

test.each(["half", "interleaved"] as const)("queries and keys are rotated to their places (%s)", async (pairs) => {
  using rig = await Rig.create({ blockSize: 32, stride: 8 }, fakeDecoder(pairs));
  const prompt = randomPrompt(14, 150);
  const chunk = await rig.place(prompt, 64, 86);
  const table = (f: (x: number) => number) => ndarray([rope.positions, headSize / 2], ropeTable(f, rope));
  const tables = { cos: table(Math.cos), sin: table(Math.sin) };
  const rotated = (x: Float64Array) => {
    const y = new Float64Array(x.length);
    for (let t = 0; t * headSize < x.length; t++)
      y.set(rotate(x.subarray(t * headSize, (t + 1) * headSize), t, tables, pairs), t * headSize);
    return y;
  };
  const turned = prompt.map((h) => ({ ...h, q: rotated(h.q), k: rotated(h.k) }));
  const mask = chanceMask(rig, chunk, 0.5);
  const attended = await attend(rig, chunk, mask);
  for (const [h, head] of turned.entries())
    expect(difference(headOf(attended, h), sparseAttention(chunkOf(head, 64, 86), mask, h, 32))).toBeLessThanOrEqual(
      2e-5,
    );
  const options = { select: "antidiagonal", stride: 8, blockSize: 32 } as const;
  expect(difference(await scores(rig, chunk, {}), oracleScores(turned, chunk, options))).toBeLessThanOrEqual(2e-5);
});

describe("what is billed", () => {
  // Softmax and sums come to a few operations for each of the S·d multiply-adds of a score: 3 % at S·d = 128 and more.
  test.each(shapes)("scoring, blocks of %d, stride %d: each chunk's rectangle of groups", async (blockSize, stride) => {
    using rig = await Rig.create({ blockSize, stride });
    const prompt = randomPrompt(15, 1024);
    let [flops, rectangles, triangle] = [0, 0, 0];
    for (let past = 0; past < 1024; past += blockSize) {
      const chunk = await rig.place(prompt, past, blockSize);
      const bill = new Bill();
      await scores(rig, chunk, {}, bill);
      flops += bill.caused.flops;
      rectangles += (2 * heads * (blockSize * (past + blockSize) * headSize)) / stride;
      triangle += heads * countedScoringFlops({ queries: blockSize, past, headDim: headSize, stride });
    }
    expect(flops).toBeGreaterThanOrEqual(rectangles);
    expect(flops / rectangles).toBeLessThan(1 + 8 / (stride * headSize));
    // Nearly the triangle of the closed form: one block's own half beyond the diagonal is computed and masked.
    expect(rectangles / triangle).toBeLessThanOrEqual(1 + blockSize / 1024 + 1e-9);
  });

  test.each([32, 128])("attention, blocks of %d: the kept blocks, the diagonal ones by half", async (blockSize) => {
    using rig = await Rig.create({ blockSize, stride: 8 });
    const prompt = randomPrompt(16, 1024);
    const chunk = await rig.place(prompt, 512, 512);
    const mask = chanceMask(rig, chunk, 0.3);
    const bill = new Bill();
    await attend(rig, chunk, mask, bill);
    const shape = { queries: 512, past: 512, headDim: headSize, blockSize };
    const whole = [0, 1, 2, 3].reduce((sum, h) => sum + countedAttentionFlops(mask, h, shape), 0);
    const upperHalves = heads * mask.rows * 2 * headSize * blockSize * (blockSize - 1);
    expect(bill.ran.flops).toBe(whole - upperHalves);
    // Gathering moves bytes and multiplies nothing.
    expect(bill.caused.flops).toBe(0);
    expect(bill.caused.bytes).toBeGreaterThan(0);
  });
});
