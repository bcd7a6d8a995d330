/** Compares masked attention with a float64 brute-force reference, and checks its bill. */
import { describe, expect, test } from "vitest";
import { Buffer } from "../../../runtime/buffer.ts";
import { seededRandom } from "../../../util/random.ts";
import { countedAttentionFlops } from "../xattention/cost.testing.ts";
import { BlockMask } from "./block-mask.ts";
import { type Chunk, rowsOf } from "./chunk.ts";
import { Bill, config, difference, fakeDecoder, headOf, Rig, randomPrompt, rotatedHead } from "./kernels.testing.ts";
import { chunkOf, denseAttention, sparseAttention } from "./oracle.testing.ts";

const { heads, headSize } = config;

async function attend(rig: Rig, chunk: Chunk, mask: BlockMask, bill = new Bill()): Promise<Float32Array> {
  const padded = rowsOf(chunk, rig.kernels.shape.blockSize) * rig.kernels.shape.blockSize;
  using attended = new Buffer("f32", padded * heads * headSize);
  await rig.kernels.attend(chunk, mask, attended.view([1, padded, heads * headSize]), bill);
  return new Float32Array(attended.memory).slice(0, chunk.tokens * heads * headSize);
}

/** A random mask of a chunk's blocks; the diagonal is kept unless `diagonal` is false. */
function chanceMask(rig: Rig, chunk: Chunk, share: number, { maskHeads = heads, diagonal = true, seed = 1 } = {}) {
  const rowOffset = chunk.past / rig.kernels.shape.blockSize;
  const random = seededRandom(seed);
  const shape = { heads: maskHeads, rows: rowsOf(chunk, rig.kernels.shape.blockSize), rowOffset };
  return BlockMask.from(shape, (_, row, block) => {
    const keep = random() < share;
    return block === rowOffset + row ? diagonal || block === 0 : keep || block === 0;
  });
}

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
      using rig = await Rig.create({ blockSize });
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
    using rig = await Rig.create({ blockSize: 32 });
    const prompt = randomPrompt(8, 256);
    for (const [past, tokens] of chunks) {
      const chunk = await rig.place(prompt, past, tokens);
      const attended = await attend(rig, chunk, chanceMask(rig, chunk, 1.1));
      for (const [h, head] of prompt.entries())
        expect(difference(headOf(attended, h), denseAttention(chunkOf(head, past, tokens)))).toBeLessThanOrEqual(1e-5);
    }
  });

  test("a row without its own block attends to the blocks it kept", async () => {
    using rig = await Rig.create({ blockSize: 32 });
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
    using rig = await Rig.create({ blockSize: 32 });
    const prompt = randomPrompt(10, 200);
    const chunk = await rig.place(prompt, 0, 200);
    const mask = chanceMask(rig, chunk, 0.4, { maskHeads: config.kvHeads });
    const attended = await attend(rig, chunk, mask);
    for (const [h, head] of prompt.entries())
      expect(difference(headOf(attended, h), sparseAttention(head, mask, h >> 1, 32))).toBeLessThanOrEqual(1e-5);
  });

  test("many small blocks", async () => {
    using rig = await Rig.create({ blockSize: 8 });
    const prompt = randomPrompt(11, 1024);
    const chunk = await rig.place(prompt, 0, 1024);
    const mask = chanceMask(rig, chunk, 0.9);
    const attended = await attend(rig, chunk, mask);
    expect(difference(headOf(attended, 3), sparseAttention(prompt[3]!, mask, 3, 8))).toBeLessThanOrEqual(1e-5);
  });

  test("a row of very many blocks", async () => {
    using rig = await Rig.create({ blockSize: 2 });
    const prompt = randomPrompt(12, 1028);
    const chunk = await rig.place(prompt, 1026, 2);
    const mask = BlockMask.from({ heads, rows: 1, rowOffset: 513 }, (_, _row, block) => block !== 7);
    const attended = await attend(rig, chunk, mask);
    expect(
      difference(headOf(attended, 2), sparseAttention(chunkOf(prompt[2]!, 1026, 2), mask, 2, 2)),
    ).toBeLessThanOrEqual(1e-5);
  });

  test("chunk after chunk gives what one shot gives", async () => {
    using whole = await Rig.create({ blockSize: 32 });
    using parts = await Rig.create({ blockSize: 32 });
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
  using rig = await Rig.create({ blockSize: 32 }, fakeDecoder(pairs));
  const prompt = randomPrompt(14, 150);
  const chunk = await rig.place(prompt, 64, 86);
  const turned = prompt.map((head) => rotatedHead(head, pairs));
  const mask = chanceMask(rig, chunk, 0.5);
  const attended = await attend(rig, chunk, mask);
  for (const [h, head] of turned.entries())
    expect(difference(headOf(attended, h), sparseAttention(chunkOf(head, 64, 86), mask, h, 32))).toBeLessThanOrEqual(
      2e-5,
    );
});

test.each([32, 128])("what is billed, blocks of %d: the kept ones, the diagonal ones by half", async (blockSize) => {
  using rig = await Rig.create({ blockSize });
  const prompt = randomPrompt(16, 1024);
  const chunk = await rig.place(prompt, 512, 512);
  const mask = chanceMask(rig, chunk, 0.3);
  const bill = new Bill();
  await attend(rig, chunk, mask, bill);
  const shape = { queries: 512, past: 512, headDim: headSize, blockSize };
  const whole = [0, 1, 2, 3].reduce((sum, h) => sum + countedAttentionFlops(mask, h, shape), 0);
  const upperHalves = heads * mask.rows * 2 * headSize * blockSize * (blockSize - 1);
  expect(bill.ran.flops).toBe(whole - upperHalves);
  // Gathering moves bytes and computes no products.
  expect(bill.caused.flops).toBe(0);
  expect(bill.caused.bytes).toBeGreaterThan(0);
});
