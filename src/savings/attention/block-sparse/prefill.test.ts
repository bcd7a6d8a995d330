/** The saving as the engine calls it: outputs, chunks, neutral options, report and bill. */
import { describe, expect, test } from "vitest";
import { KvCache } from "../../../models/state/cache.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import type { AttentionCall } from "../../seams.ts";
import { createScores, XattentionChooser } from "../xattention/chooser.ts";
import { xattentionOptions } from "../xattention/options.ts";
import { selectBlocks } from "../xattention/select.ts";
import type { BlockMask } from "./block-mask.ts";
import {
  Bill,
  config,
  difference,
  fakeDecoder,
  headOf,
  positionsFrom,
  qkvOf,
  randomPrompt,
  rotatedHead,
  width,
} from "./kernels.testing.ts";
import { blockScores, denseAttention, type Head, sparseAttention } from "./oracle.testing.ts";
import { BlockSparsePrefill } from "./prefill.ts";

const { heads, headSize } = config;
const blockSize = 16;
const length = 395;
const prompt = randomPrompt(31, length);

const optionsOf = (values: Record<string, unknown>) =>
  xattentionOptions.parse({ blockSize, stride: 8, threshold: 0.6, minLengthForSparse: 0, ...values });

function create(values: Record<string, unknown> = {}, thresholds?: number[][], decoder = fakeDecoder()) {
  const options = optionsOf(values);
  return BlockSparsePrefill.create(
    options,
    decoder,
    async (limits) => new XattentionChooser(limits.shape, options, await createScores(limits, options), thresholds),
  );
}

/** One sequence's prefill in chunks: outputs [tokens, heads·headSize], the bill, and the chunks passed to `dense`. */
class Run implements Disposable {
  readonly cache = new KvCache(config);
  readonly bill = new Bill();
  readonly attended: number[] = [];
  readonly dense: number[] = [];

  constructor(readonly saving: BlockSparsePrefill) {}

  /** Runs a chunk of a prompt; `of` describes tokens that an earlier layer dropped. */
  async chunk(heads: readonly Head[], past: number, tokens: number, layer = 0, of: Partial<AttentionCall> = {}) {
    using qkv = new Buffer("f32", this.saving.chunk * width);
    using attended = new Buffer("f32", this.saving.chunk * config.heads * headSize);
    using positions = positionsFrom(past, tokens, this.saving.chunk);
    // Data that an earlier chunk left after the tokens must have no effect.
    new Float32Array(qkv.memory).fill(7).set(qkvOf(heads, past, tokens));
    const dense = async () => void this.dense.push(past);
    const { cache, bill } = this;
    const prompt = heads[0]!.q.length / headSize;
    const call: AttentionCall = {
      ...{ layer, past, tokens, prompt, whole: prompt, positions, places: [], axes: [] },
      ...{ qkv, attended, dense, cache, bill, ...of },
    };
    await this.saving.attend(call);
    this.attended.push(...new Float32Array(attended.memory).subarray(0, tokens * config.heads * headSize));
  }

  async whole(heads: readonly Head[], layer = 0): Promise<this> {
    const end = heads[0]!.q.length / headSize;
    for (let past = 0; past < end; past += this.saving.chunk)
      await this.chunk(heads, past, Math.min(this.saving.chunk, end - past), layer);
    return this;
  }

  head = (h: number) => headOf(Float32Array.from(this.attended), h);

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]();
  }
}

function expectedMask(head: Head, threshold = 0.6, denseFrom = Number.POSITIVE_INFINITY): BlockMask {
  const scores = blockScores(head, { select: "antidiagonal", stride: 8, blockSize });
  return selectBlocks(scores.scores, { ...optionsOf({}), ...scores, heads: 1, threshold, denseFrom });
}

describe("a prompt of several chunks, ragged at its end", () => {
  test("gives what sparse attention over the chosen blocks gives, reports and bills it", async () => {
    using saving = await create();
    expect(length).toBeGreaterThan(saving.chunk);
    using run = new Run(saving);
    await run.whole(prompt);
    const masks = prompt.map((head) => expectedMask(head));
    for (const [h, head] of prompt.entries())
      expect(difference(run.head(h), sparseAttention(head, masks[h]!, 0, blockSize))).toBeLessThanOrEqual(1e-5);
    const retained = masks.reduce((sum, mask) => sum + mask.blocks(), 0);
    expect(run.bill.counted).toEqual({ dense: heads * masks[0]!.causalBlocks, run: retained });
    expect(retained).toBeLessThan(0.9 * heads * masks[0]!.causalBlocks);
    expect(saving.report.map(({ layer, past }) => [layer, past])).toEqual([
      [0, 0],
      [0, 256],
    ]);
    const [first, second] = saving.report as [(typeof saving.report)[0], (typeof saving.report)[0]];
    expect(first.density.length).toBe(heads);
    const share = 136 / masks[2]!.causalBlocks;
    expect(first.density[2]! * share + second.density[2]! * (1 - share)).toBeCloseTo(masks[2]!.density(), 10);
    expect(first.keptMass[0]!).toBeGreaterThanOrEqual(0.6);
    expect(Object.values(second.ms).every((ms) => ms >= 0)).toBe(true);
    expect(run.dense).toEqual([]);
  });

  test("a threshold just below 1 keeps all blocks: dense attention", async () => {
    using saving = await create({ threshold: 0.9999999 });
    using run = await new Run(saving).whole(prompt);
    for (const [h, head] of prompt.entries())
      expect(difference(run.head(h), denseAttention(head))).toBeLessThanOrEqual(1e-5);
  });

  test("thresholds of a profile go by layer and head", async () => {
    const thresholds = [
      [0.6, 0.6, 0.6, 0.6],
      [0, 0.4, 0.8, 2],
    ];
    using saving = await create({ threshold: 0.1 }, thresholds);
    using run = await new Run(saving).whole(prompt, 1);
    for (const [h, head] of prompt.entries())
      expect(
        difference(run.head(h), sparseAttention(head, expectedMask(head, thresholds[1]![h]!), 0, blockSize)),
      ).toBeLessThanOrEqual(1e-5);
  });

  test("the last tokens' blocks are dense", async () => {
    using saving = await create({ lastDenseTokens: 40 });
    using run = await new Run(saving).whole(prompt);
    // Tokens 355 to 394 lie in blocks 22 to 24.
    const masks = prompt.map((head) => expectedMask(head, 0.6, 22));
    for (const [h, head] of prompt.entries())
      expect(difference(run.head(h), sparseAttention(head, masks[h]!, 0, blockSize))).toBeLessThanOrEqual(1e-5);
    expect(run.bill.counted.run).toBe(masks.reduce((sum, mask) => sum + mask.blocks(), 0));
  });

  test("key-value heads share masks, and are counted for each of their query heads", async () => {
    using saving = await create({ headGrouping: "kv-sum" });
    using run = await new Run(saving).whole(prompt);
    const { density } = saving.report[1]!;
    expect(density[0]).toBe(density[1]);
    expect(density[2]).toBe(density[3]);
    expect(density[1]).not.toBe(density[2]);
    expect(run.bill.counted.run).toBeLessThan(run.bill.counted.dense);
  });
});

describe("a layer that gets some of the prompt's tokens alone", () => {
  // Every third token was dropped before the layer.
  const retained = Array.from({ length }, (_, i) => i).filter((i) => i % 3 !== 1);
  const rowsAt = (x: ArrayLike<number>) =>
    Float64Array.from(retained.flatMap((i) => Array.from({ length: headSize }, (_, d) => x[i * headSize + d]!)));
  const thinned = prompt.map((head) => ({ ...head, q: rowsAt(head.q), k: rowsAt(head.k), v: rowsAt(head.v) }));

  async function whole(run: Run, heads: readonly Head[], places: readonly number[]): Promise<void> {
    for (let past = 0; past < places.length; past += run.saving.chunk) {
      const tokens = Math.min(run.saving.chunk, places.length - past);
      using positions = new Buffer("i64", run.saving.chunk);
      new BigInt64Array(positions.memory).set(places.slice(past, past + tokens).map(BigInt));
      await run.chunk(heads, past, tokens, 0, { prompt: places.length, whole: length, positions });
    }
  }

  test("its blocks cover the tokens that it gets, and dense's the whole prompt", async () => {
    using saving = await create();
    using run = new Run(saving);
    await whole(run, thinned, retained);
    const masks = thinned.map((head) => expectedMask(head));
    for (const [h, head] of thinned.entries())
      expect(difference(run.head(h), sparseAttention(head, masks[h]!, 0, blockSize))).toBeLessThanOrEqual(1e-5);
    const blocks = masks.reduce((sum, mask) => sum + mask.blocks(), 0);
    expect(run.bill.counted).toEqual({ dense: (heads * 25 * 26) / 2, run: blocks });
  });

  test("its last tokens are the last that it gets", async () => {
    using saving = await create({ lastDenseTokens: 40 });
    using run = new Run(saving);
    await whole(run, thinned, retained);
    // Tokens 223 to 262 of 263 lie in blocks 13 to 16.
    const masks = thinned.map((head) => expectedMask(head, 0.6, 13));
    for (const [h, head] of thinned.entries())
      expect(difference(run.head(h), sparseAttention(head, masks[h]!, 0, blockSize))).toBeLessThanOrEqual(1e-5);
  });

  test("keys in its cache equal a dense run's at the same positions", async () => {
    const rotary = fakeDecoder("half");
    using saving = await create({}, undefined, rotary);
    using run = new Run(saving);
    await whole(run, thinned, retained);
    const keys = (kv: number) => {
      const { key, offset } = run.cache.place(0, kv, 0);
      return new Float32Array(key.memory).subarray(offset, offset + retained.length * headSize);
    };
    for (const kv of [0, 1])
      expect(difference(keys(kv), rowsAt(rotatedHead(prompt[2 * kv]!, "half").k))).toBeLessThanOrEqual(1e-5);
  });
});

describe("chunks", () => {
  test("one of block size after another gives the same as large ones", async () => {
    using saving = await create();
    using large = await new Run(saving).whole(prompt);
    using small = new Run(saving);
    for (let past = 0; past < length; past += blockSize)
      await small.chunk(prompt, past, Math.min(blockSize, length - past));
    expect(difference(small.attended, large.attended)).toBeLessThanOrEqual(1e-6);
    expect(small.bill.counted).toEqual(large.bill.counted);
  });

  test("after a reused prefix, one short dense chunk brings back the prompt's blocks", async () => {
    using saving = await create();
    expect([0, 16, 17, 30].map((past) => saving.chunkAfter(past))).toEqual([256, 256, 15, 2]);
    using run = new Run(saving);
    await run.chunk(prompt, 17, 15);
    expect(run.dense).toEqual([17]);
    expect(run.bill.counted).toEqual({ dense: 0, run: 0 });
  });

  test("first dense layers are left to the dense program", async () => {
    using saving = await create({ firstDenseLayers: 2 });
    using run = new Run(saving);
    for (const layer of [0, 1, 2]) await run.chunk(prompt, 0, 64, layer);
    expect(run.dense.length).toBe(2);
    expect(saving.report.map((r) => r.layer)).toEqual([2]);
  });

  test("the report is of one prompt, also when a prefix was reused", async () => {
    using saving = await create();
    using run = new Run(saving);
    await run.whole(prompt);
    await run.whole(prompt);
    expect(saving.report.length).toBe(2);
    const longer = randomPrompt(31, length + 100);
    await run.chunk(longer, 384, 100);
    expect(saving.report.map((r) => r.past)).toEqual([384]);
  });

  test("two prompts at once do not disturb each other", async () => {
    using saving = await create();
    const other = randomPrompt(32, 300);
    const prompts = [prompt, other];
    const alone: number[][] = [];
    for (const p of prompts) {
      using run = await new Run(saving).whole(p);
      alone.push(run.attended);
    }
    const runs = prompts.map(() => new Run(saving));
    await Promise.all(runs.map((run, i) => run.whole(prompts[i]!)));
    for (const [i, run] of runs.entries()) {
      expect(difference(run.attended, alone[i]!)).toBe(0);
      run[Symbol.dispose]();
    }
  });

  test("a chunk that fails does not block the next", async () => {
    using saving = await create();
    using run = new Run(saving);
    await expect(run.chunk(prompt, 4096, 16)).rejects.toThrow();
    await run.chunk(prompt, 0, 16);
    expect(run.bill.counted.run).toBe(heads);
  });
});

test("a block size that does not divide the cache is refused by name", async () => {
  await expect(create({ blockSize: 24 })).rejects.toThrow("blockSize 24 does not divide the cache of 2048 tokens");
});
