/** Compares masks from compiled scores with masks from brute-force scores and probabilities. */
import { describe, expect, test } from "vitest";
import { config, Rig, randomPrompt } from "../block-sparse/kernels.testing.ts";
import { blockSize, chunks, drawn, flat, length, maskOf, requestOf } from "../block-sparse/masks.testing.ts";
import { blockScores } from "../block-sparse/oracle.testing.ts";
import { createScores, XattentionChooser } from "./chooser.ts";
import { type XattentionOptions, xattentionOptions } from "./options.ts";
import { maxOverGroups, selectBlocks, sumOverGroups } from "./select.ts";

const { heads, kvHeads } = config;
const stride = 8;

const optionsOf = (values: Record<string, unknown>) =>
  xattentionOptions.parse({ blockSize, stride, threshold: 0.7, ...values });

/** `thresholds`: the thresholds of layer 0, per head. */
async function chooserOf({ limits }: Rig, options: XattentionOptions, thresholds?: readonly number[]) {
  return new XattentionChooser(limits.shape, options, await createScores(limits, options), thresholds && [thresholds]);
}

describe.each(chunks)("%d before, %d tokens", (past, tokens) => {
  test.each(["antidiagonal", "diagonal", "random", "mean-pool"] as const)("%s", async (select) => {
    using rig = await Rig.create({ blockSize });
    const options = optionsOf({ select });
    using chooser = await chooserOf(rig, options);
    const mask = await maskOf(rig, chooser, [past, tokens]);
    const scores = flat(past, tokens, (head) => blockScores(head, { select, stride, blockSize }).scores);
    const expected = selectBlocks(scores, { ...options, ...requestOf(past, tokens) });
    expect(drawn(mask)).toEqual(drawn(expected));
    expect(mask.density()).toBeLessThan(0.9);
    expect(mask.meanKeptMass(1)).toBeCloseTo(expected.meanKeptMass(1)!, 5);
  });

  test.each(["top-k", "ratio"] as const)("selection %s", async (selection) => {
    using rig = await Rig.create({ blockSize });
    const options = optionsOf({ selection, k: 4, ratio: 0.4 });
    const scores = flat(
      past,
      tokens,
      (head) => blockScores(head, { select: "antidiagonal", stride, blockSize }).scores,
    );
    const expected = selectBlocks(scores, { ...options, ...requestOf(past, tokens) });
    using chooser = await chooserOf(rig, options);
    expect(drawn(await maskOf(rig, chooser, [past, tokens]))).toEqual(drawn(expected));
  });

  test("a threshold per head, and key-value heads that share a mask", async () => {
    using rig = await Rig.create({ blockSize });
    const thresholds = [0.5, 0.9, 0.6, 0];
    const threshold = Float32Array.from(thresholds);
    const scores = flat(
      past,
      tokens,
      (head) => blockScores(head, { select: "antidiagonal", stride, blockSize }).scores,
    );
    const request = requestOf(past, tokens);
    const each = optionsOf({});
    const byQuery = selectBlocks(scores, { ...each, ...request, threshold });
    using queries = await chooserOf(rig, each, thresholds);
    expect(drawn(await maskOf(rig, queries, [past, tokens]))).toEqual(drawn(byQuery));
    const summed = sumOverGroups(scores, heads, kvHeads);
    const shared = { ...each, ...request, heads: kvHeads, threshold: maxOverGroups(threshold, kvHeads) };
    const options = optionsOf({ headGrouping: "kv-sum" });
    using groups = await chooserOf(rig, options, thresholds);
    expect(drawn(await maskOf(rig, groups, [past, tokens]))).toEqual(drawn(selectBlocks(summed, shared)));
  });
});

test("a mask does not depend on how the prompt is cut into chunks", async () => {
  using whole = await Rig.create({ blockSize });
  using parts = await Rig.create({ blockSize });
  for (const select of ["antidiagonal", "random", "mean-pool"]) {
    const options = optionsOf({ select });
    using chooser = await chooserOf(whole, options);
    const expected = drawn(await maskOf(whole, chooser, [0, length])).toSorted();
    using inParts = await chooserOf(parts, options);
    const got: string[] = [];
    for (const [past, tokens] of [
      [0, blockSize],
      [blockSize, 4 * blockSize],
      [5 * blockSize, length - 5 * blockSize],
    ] as const)
      got.push(...drawn(await maskOf(parts, inParts, [past, tokens])));
    expect(got.toSorted()).toEqual(expected);
  }
});

test("a mask changes with the text, and rows from `denseFrom` on keep all", async () => {
  using rig = await Rig.create({ blockSize });
  const options = optionsOf({});
  using chooser = await chooserOf(rig, options);
  const mask = await maskOf(rig, chooser, [0, length], 9);
  for (let row = 9; row < mask.rows; row++) expect(mask.row(2, row).length).toBe(row + 1);
  const other = await rig.place(randomPrompt(22, length), 0, length);
  expect(drawn(await chooser.choose(rig.placed(other), 9))).not.toEqual(drawn(mask));
});
