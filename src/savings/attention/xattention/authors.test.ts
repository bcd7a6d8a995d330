/** Compared with the authors' own code on the same queries and keys. */
import { describe, expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { config, Rig } from "../block-sparse/kernels.testing.ts";
import { blockScores, chunkOf, type Head, probabilities } from "../block-sparse/oracle.testing.ts";
import { createScores, XattentionChooser } from "./chooser.ts";
import { xattentionOptions } from "./options.ts";
import { profileHead } from "./thresholds.ts";

interface Case {
  past: number;
  tokens: number;
  stride: number;
  select: "antidiagonal" | "diagonal";
  chunk: number;
  scores: number[];
  /** Kept key blocks of each head's rows, by threshold. */
  kept: Record<string, number[][]>;
}
interface Fixture {
  length: number;
  blockSize: number;
  cases: Case[];
  first: Case;
  unpadded: Case;
  thresholds: Record<string, number[]>;
}

const fixture = authorsFixture<Fixture>("authors.json", import.meta.url);
const { length, blockSize } = fixture;
const { heads, kvHeads, headSize } = config;
const size = length * headSize;

const queries = Float64Array.from(numbers(1, heads * size), (x) => 16 * x);
const keys = Float64Array.from(numbers(2, kvHeads * size));
const prompt: Head[] = Array.from({ length: heads }, (_, head) => {
  const kv = Math.floor((head * kvHeads) / heads);
  const k = keys.slice(kv * size, (kv + 1) * size);
  return { q: queries.slice(head * size, (head + 1) * size), k, v: k, headDim: headSize };
});

async function chosen({ past, tokens, stride, select }: Case, threshold: number) {
  using rig = await Rig.create({ blockSize });
  const chunk = await rig.place(prompt, past, tokens);
  const options = xattentionOptions.parse({ blockSize, stride, select, threshold });
  using scorer = await createScores(rig.limits, options);
  const scores = await scorer.of(rig.placed(chunk));
  using chooser = new XattentionChooser(rig.limits.shape, options, await createScores(rig.limits, options));
  const mask = await chooser.choose(rig.placed(chunk), Number.POSITIVE_INFINITY);
  const retained = Array.from({ length: heads * mask.rows }, (_, i) => [
    ...mask.row(Math.floor(i / mask.rows), i % mask.rows),
  ]);
  return { scores, kept: retained };
}

describe(`XAttention as ${fixture.repository} has it`, () => {
  test.each(fixture.cases.flatMap((of) => Object.keys(of.kept).map((threshold) => ({ of, threshold }))))(
    "scores and kept blocks: $of.past + $of.tokens tokens, $of.select, stride $of.stride, threshold $threshold",
    async ({ of, threshold }) => {
      const { scores, kept } = await chosen(of, Number(threshold));
      expect(farthest(scores, of.scores)).toBeLessThanOrEqual(1e-5);
      expect(kept).toEqual(of.kept[threshold]);
    },
  );

  test("in its first chunk, the code keeps a block or two a row more; ours does not depend on chunks", async () => {
    const { first } = fixture;
    const { scores, kept } = await chosen(first, 0.5);
    expect(farthest(scores, first.scores)).toBeLessThanOrEqual(1e-5);
    const more = first.kept["0.5"]!.map((blocks, row) => {
      expect(blocks).toEqual(expect.arrayContaining(kept[row]!));
      return blocks.length - kept[row]!.length;
    });
    expect(Math.max(...more)).toBeLessThanOrEqual(2);
    expect(more.filter((count) => count > 0).length).toBeGreaterThan(more.length / 2);
  });

  test("where a length needs no padding, its PyTorch path hides earlier chunks; ours does not", async () => {
    const { unpadded, first } = fixture;
    const { scores } = await chosen(unpadded, 0.5);
    const blocks = unpadded.tokens / blockSize;
    const perChunk = unpadded.chunk / blockSize;
    const hidden = unpadded.scores.filter((_, i) => {
      const row = Math.floor(i / blocks) % blocks;
      return i % blocks < row - (row % perChunk);
    });
    expect(hidden.length).toBeGreaterThan(0);
    expect(Math.max(...hidden)).toBe(0);
    expect(farthest(scores, first.scores)).toBeLessThanOrEqual(1e-5);
  });

  test.each(Object.entries(fixture.thresholds))("profiled thresholds, stride %s", (stride, thresholds) => {
    const rows = Math.ceil(length / blockSize);
    const profiled = prompt.map((head) => {
      const exact = new Float64Array(rows * rows);
      for (const [i, row] of probabilities(chunkOf(head, 0, length)).entries())
        for (const [key, p] of row.entries())
          exact[Math.floor(i / blockSize) * rows + Math.floor(key / blockSize)]! += p;
      const { scores } = blockScores(head, { select: "antidiagonal", stride: Number(stride), blockSize });
      return profileHead(exact, scores, { rows, cols: rows, rowOffset: 0, coverage: 0.9 });
    });
    expect(farthest(profiled, thresholds)).toBeLessThanOrEqual(1e-5);
  });
});
