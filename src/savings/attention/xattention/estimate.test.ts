/** Masks as the compiled scores make them, against masks made of scores and probabilities by brute force. */
import { describe, expect, test } from "vitest";
import { flexPrefillMask, minferenceMask, triShapeMask } from "./baselines.ts";
import type { BlockMask } from "./block-mask.ts";
import { estimateMask } from "./estimate.ts";
import { Bill, config, Rig, randomPrompt } from "./kernels.testing.ts";
import { type XattentionOptions, xattentionOptions } from "./options.ts";
import { blockScores, chunkOf, type Head, probabilities } from "./oracle.testing.ts";
import { maxOverGroups, selectBlocks, sumOverGroups } from "./select.ts";

const { heads, kvHeads } = config;
const blockSize = 32;
const stride = 8;
const length = 395;
const prompt = randomPrompt(21, length);
const chunks = [
  [0, length],
  [160, 200],
] as const;

const optionsOf = (values: Record<string, unknown>) =>
  xattentionOptions.parse({ blockSize, stride, threshold: 0.7, ...values });

interface Asked {
  threshold?: number | Float32Array;
  denseFrom?: number;
}

async function maskOf(rig: Rig, past: number, tokens: number, options: XattentionOptions, asked: Asked = {}) {
  const chunk = await rig.place(prompt, past, tokens);
  const { threshold = options.threshold, denseFrom = Number.POSITIVE_INFINITY } = asked;
  return estimateMask({ chunk, kernels: rig.kernels, options, threshold, denseFrom, bill: new Bill() });
}

/** Blocks as text, a line a row: what two masks are compared by. */
const drawn = (mask: BlockMask): string[] =>
  Array.from({ length: mask.heads * mask.rows }, (_, i) => {
    const [head, row] = [Math.floor(i / mask.rows), i % mask.rows];
    return `head ${head}, block ${mask.rowOffset + row}: ${mask.row(head, row).join()}`;
  });

const requestOf = (past: number, tokens: number) => {
  const rowOffset = past / blockSize;
  const cols = Math.ceil((past + tokens) / blockSize);
  return { heads, rows: cols - rowOffset, rowOffset, cols };
};

const flat = (past: number, tokens: number, f: (head: Head) => Iterable<number>) =>
  Float64Array.from(prompt.flatMap((head) => [...f(chunkOf(head, past, tokens))]));

/** Exact probabilities of the last `queries`, [heads, queries, keys]. */
function lastOf(past: number, tokens: number, queries: number) {
  const keys = past + tokens;
  const padded = (row: Float64Array) => [...row, ...new Array<number>(keys - row.length).fill(0)];
  return {
    probabilities: flat(past, tokens, (head) => probabilities(head).slice(-queries).flatMap(padded)),
    queries,
    keys,
  };
}

describe.each(chunks)("%d before, %d tokens", (past, tokens) => {
  test.each(["antidiagonal", "diagonal", "random", "mean-pool"] as const)("%s", async (select) => {
    using rig = await Rig.create({ blockSize, stride });
    const options = optionsOf({ select });
    const mask = await maskOf(rig, past, tokens, options);
    const scores = flat(past, tokens, (head) => blockScores(head, { select, stride, blockSize }).scores);
    const expected = selectBlocks(scores, { ...options, ...requestOf(past, tokens) });
    expect(drawn(mask)).toEqual(drawn(expected));
    expect(mask.density()).toBeLessThan(0.9);
    expect(mask.meanKeptMass(1)).toBeCloseTo(expected.meanKeptMass(1)!, 5);
  });

  test.each(["top-k", "ratio"] as const)("selection %s", async (selection) => {
    using rig = await Rig.create({ blockSize, stride });
    const options = optionsOf({ selection, k: 4, ratio: 0.4 });
    const scores = flat(
      past,
      tokens,
      (head) => blockScores(head, { select: "antidiagonal", stride, blockSize }).scores,
    );
    const expected = selectBlocks(scores, { ...options, ...requestOf(past, tokens) });
    expect(drawn(await maskOf(rig, past, tokens, options))).toEqual(drawn(expected));
  });

  test("a threshold per head, and key-value heads that share a mask", async () => {
    using rig = await Rig.create({ blockSize, stride });
    const threshold = Float32Array.of(0.5, 0.9, 0.6, 0);
    const scores = flat(
      past,
      tokens,
      (head) => blockScores(head, { select: "antidiagonal", stride, blockSize }).scores,
    );
    const request = requestOf(past, tokens);
    const each = optionsOf({});
    const byQuery = selectBlocks(scores, { ...each, ...request, threshold });
    expect(drawn(await maskOf(rig, past, tokens, each, { threshold }))).toEqual(drawn(byQuery));
    const summed = sumOverGroups(scores, heads, kvHeads);
    const shared = { ...each, ...request, heads: kvHeads, threshold: maxOverGroups(threshold, kvHeads) };
    const options = optionsOf({ headGrouping: "kv-sum" });
    expect(drawn(await maskOf(rig, past, tokens, options, { threshold }))).toEqual(drawn(selectBlocks(summed, shared)));
  });

  test("minference", async () => {
    using rig = await Rig.create({ blockSize, stride });
    const options = optionsOf({ mode: "minference", lastQueries: 48, budget: 0.2 });
    const expected = minferenceMask(requestOf(past, tokens), lastOf(past, tokens, 48), options);
    const mask = await maskOf(rig, past, tokens, options);
    expect(drawn(mask)).toEqual(drawn(expected));
    expect(mask.density()).toBeLessThan(1);
  });

  test.each([0.01, 0.9])("flexprefill, heads trusted below %d", async (tau) => {
    using rig = await Rig.create({ blockSize, stride });
    const options = optionsOf({ mode: "flexprefill", gamma: 0.6, tau });
    const pooled = flat(past, tokens, (head) => blockScores(head, { select: "mean-pool", stride, blockSize }).scores);
    const request = requestOf(past, tokens);
    const last = lastOf(past, tokens, blockSize);
    const expected = flexPrefillMask(request, { last, pooled, cols: request.cols }, options);
    const mask = await maskOf(rig, past, tokens, options);
    expect(drawn(mask)).toEqual(drawn(expected));
    expect(mask.density()).toBeLessThan(1);
  });

  test("tri-shape", async () => {
    using rig = await Rig.create({ blockSize, stride });
    const options = optionsOf({ mode: "tri-shape", sinkTokens: 32, windowTokens: 64 });
    const expected = triShapeMask({ ...requestOf(past, tokens), denseFrom: 10 }, options);
    expect(drawn(await maskOf(rig, past, tokens, options, { denseFrom: 10 }))).toEqual(drawn(expected));
  });
});

test("a mask does not depend on how the prompt is cut into chunks", async () => {
  using whole = await Rig.create({ blockSize, stride });
  using parts = await Rig.create({ blockSize, stride });
  for (const select of ["antidiagonal", "random", "mean-pool"]) {
    const options = optionsOf({ select });
    const expected = drawn(await maskOf(whole, 0, length, options)).toSorted();
    const got: string[] = [];
    for (const [past, tokens] of [
      [0, blockSize],
      [blockSize, 4 * blockSize],
      [5 * blockSize, length - 5 * blockSize],
    ] as const)
      got.push(...drawn(await maskOf(parts, past, tokens, options)));
    expect(got.toSorted()).toEqual(expected);
  }
});

test("a mask changes with the text, and rows from `denseFrom` on keep all", async () => {
  using rig = await Rig.create({ blockSize, stride });
  const options = optionsOf({});
  const mask = await maskOf(rig, 0, length, options, { denseFrom: 9 });
  for (let row = 9; row < mask.rows; row++) expect(mask.row(2, row).length).toBe(row + 1);
  const other = await rig.place(randomPrompt(22, length), 0, length);
  const all = { kernels: rig.kernels, options, threshold: 0.7, denseFrom: 9, bill: new Bill() };
  expect(drawn(await estimateMask({ ...all, chunk: other }))).not.toEqual(drawn(mask));
});
