import { describe, expect, test } from "vitest";
import { callsOf } from "../../../util/calls.testing.ts";
import { seededRandom } from "../../../util/random.ts";
import type { BlockMask } from "../block-sparse/block-mask.ts";
import { maxOverGroups, type SelectOptions, selectBlocks, sumOverGroups } from "./select.ts";

const base = { selection: "threshold", k: 4, ratio: 0.3, forceSink: true, forceDiagonal: true } as const;

/** Selects blocks for a single head's rows. */
function select(rows: number[][], options: Partial<SelectOptions> = {}): BlockMask {
  const cols = rows[0]!.length;
  const shape = { heads: 1, rows: rows.length, cols, rowOffset: cols - rows.length };
  return selectBlocks(Float64Array.from(rows.flat()), { ...base, ...shape, threshold: 0.9, ...options });
}

/** Peaked random scores of causal rows, like real attention: a few large, many small. */
function randomScores(seed: number, heads: number, rows: number, cols: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: heads * rows * cols }, (_, i) =>
    i % cols <= cols - rows + (Math.floor(i / cols) % rows) ? random() ** 8 : 0,
  );
}

const shape = { heads: 3, rows: 20, cols: 32, rowOffset: 12 };
const scores = randomScores(1, 3, 20, 32);
const at = (threshold: number | Float64Array, more: Partial<SelectOptions> = {}) =>
  selectBlocks(scores, { ...base, ...shape, threshold, ...more });

/** All (head, row) pairs with their causal scores. */
const rowsOf = Array.from({ length: shape.heads * shape.rows }, (_, i) => {
  const [head, row] = [Math.floor(i / shape.rows), i % shape.rows];
  const diagonal = shape.rowOffset + row;
  return { head, row, diagonal, causal: [...scores.subarray(i * shape.cols, i * shape.cols + diagonal + 1)] };
});

const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);

describe("a row by hand", () => {
  test("forced blocks count first, then the best until the need is reached, the crossing block included", () => {
    // The forced blocks 0 and 4 hold 0.3 of the 0.75 needed; block 2 (0.4) makes it 0.7, and block 1 (0.2) exceeds it.
    expect([...select([[0.1, 0.2, 0.4, 0.1, 0.2]], { threshold: 0.75 }).indices]).toEqual([0, 1, 2, 4]);
  });

  test("mass that just reaches the need adds nothing", () => {
    expect([...select([[0.25, 0.25, 0.25, 0.125, 0.125]], { threshold: 0.625 }).indices]).toEqual([0, 1, 4]);
  });

  test("among equals the lower block comes first", () => {
    expect([...select([[0, 1, 1, 1, 1, 0]], { threshold: 0.5 }).indices]).toEqual([0, 1, 2, 5]);
  });

  test("threshold 0 keeps the forced blocks alone; the first row has one", () => {
    const mask = select(
      [
        [9, 0, 0],
        [9, 9, 0],
        [9, 9, 9],
      ].map((row) => row.map((x) => x / 9)),
      { threshold: 0 },
    );
    expect([0, 1, 2].map((row) => [...mask.row(0, row)])).toEqual([[0], [0, 1], [0, 2]]);
  });

  test("without forced blocks a row still keeps its best", () => {
    const mask = select([[0.1, 0.7, 0.2]], { threshold: 0, forceSink: false, forceDiagonal: false });
    expect([...mask.indices]).toEqual([1]);
  });

  test("threshold 1 keeps blocks whose mass was rounded to zero", () => {
    expect([...select([[1, 0, 0, 0]], { threshold: 1 }).indices]).toEqual([0, 1, 2, 3]);
  });

  test("the need is found in float64: many tiny masses count", () => {
    const tiny = new Array<number>(400).fill(1e-9);
    const mask = selectBlocks(Float32Array.from([1, ...tiny, 0]), {
      ...base,
      heads: 1,
      rows: 1,
      cols: 402,
      rowOffset: 401,
      threshold: (1 + 200.5e-9) / (1 + 400e-9),
    });
    expect(mask.blocks()).toBe(2 + 201);
  });
});

describe("invariants over random rows", () => {
  const thresholds = [0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99];

  test.each(thresholds)("threshold %d: forced on, none ahead, mass kept, nothing superfluous", (threshold) => {
    const mask = at(threshold);
    for (const { head, row, diagonal, causal } of rowsOf) {
      const retained = [...mask.row(head, row)];
      expect(retained).toEqual([...new Set(retained)].sort((a, b) => a - b));
      expect(retained).toContain(0);
      expect(retained).toContain(diagonal);
      expect(retained.at(-1)).toBe(diagonal);
      const need = threshold * sum(causal);
      const mass = sum(retained.map((block) => causal[block]!));
      expect(mass).toBeGreaterThanOrEqual(need - 1e-12);
      expect(mask.keptMass![head * shape.rows + row]).toBeCloseTo(mass / sum(causal), 12);
      const free = retained.filter((block) => block !== 0 && block !== diagonal);
      if (free.length > 0) expect(mass - Math.min(...free.map((block) => causal[block]!))).toBeLessThan(need);
    }
  });

  test("masks grow with the threshold", () => {
    for (let i = 1; i < thresholds.length; i++) {
      const [less, more] = [at(thresholds[i - 1]!), at(thresholds[i]!)];
      for (const { head, row } of rowsOf)
        for (const block of less.row(head, row)) expect(more.has(head, row, block)).toBe(true);
      expect(more.blocks()).toBeGreaterThan(less.blocks());
    }
  });

  test("kept blocks are the best ones: none left out beats one chosen", () => {
    const mask = at(0.9);
    for (const { head, row, diagonal, causal } of rowsOf) {
      const free = causal.map((_, block) => block).filter((block) => block !== 0 && block !== diagonal);
      const chosen = free.filter((block) => mask.has(head, row, block)).map((block) => causal[block]!);
      const others = free.filter((block) => !mask.has(head, row, block)).map((block) => causal[block]!);
      expect(Math.max(0, ...others)).toBeLessThanOrEqual(Math.min(1, ...chosen));
    }
  });

  test("selection is per head: each head alone gives the same rows", () => {
    const all = at(Float64Array.of(0.5, 0.9, 1));
    for (const [head, threshold] of [0.5, 0.9, 1].entries()) {
      const size = shape.rows * shape.cols;
      const one = selectBlocks(scores.slice(head * size, (head + 1) * size), {
        ...base,
        ...shape,
        heads: 1,
        threshold,
      });
      for (let row = 0; row < shape.rows; row++) expect(all.row(head, row)).toEqual(one.row(0, row));
    }
    expect(all.density(2)).toBe(1);
    expect(all.density(0)).toBeLessThan(all.density(1));
  });

  test("rows of a chunk equal the whole prompt's", () => {
    const whole = randomScores(5, 1, 24, 24);
    const options = { ...base, heads: 1, cols: 24, threshold: 0.8 };
    const oneShot = selectBlocks(whole, { ...options, rows: 24, rowOffset: 0 });
    const chunk = selectBlocks(whole.slice(10 * 24, 17 * 24), { ...options, rows: 7, rowOffset: 10 });
    for (let row = 0; row < 7; row++) expect(chunk.row(0, row)).toEqual(oneShot.row(0, row + 10));
  });

  test("padding columns change nothing", () => {
    const padded = new Float32Array(3 * 20 * 40).fill(7);
    for (let i = 0; i < 60; i++) padded.set(scores.subarray(i * 32, i * 32 + 32), i * 40);
    const mask = selectBlocks(padded, { ...base, ...shape, cols: 40, threshold: 0.9 });
    expect(mask.indices).toEqual(at(0.9).indices);
  });

  test("rows from denseFrom on are dense, those before untouched", () => {
    const mask = at(0.5, { denseFrom: 30 });
    for (const { head, row, diagonal } of rowsOf)
      expect(mask.row(head, row).length).toBe(diagonal >= 30 ? diagonal + 1 : at(0.5).row(head, row).length);
  });
});

describe("controls", () => {
  test("top-k keeps k blocks, forced ones among them, whatever the threshold", () => {
    const mask = at(1, { selection: "top-k", k: 5 });
    for (const { head, row, diagonal, causal } of rowsOf) {
      const best = causal.map((_, b) => b).filter((b) => b !== 0 && b !== diagonal);
      best.sort((a, b) => causal[b]! - causal[a]! || a - b);
      expect([...mask.row(head, row)]).toEqual([0, diagonal, ...best.slice(0, 3)].sort((a, b) => a - b));
    }
  });

  test("top-k never drops a forced block nor asks for more than there are", () => {
    expect([...select([[0.1, 0.8, 0.1]], { selection: "top-k", k: 1 }).indices]).toEqual([0, 2]);
    expect([...select([[0.1, 0.8, 0.1]], { selection: "top-k", k: 9 }).indices]).toEqual([0, 1, 2]);
  });

  test("ratio keeps that share of each row's causal blocks, rounded up", () => {
    const mask = at(0, { selection: "ratio", ratio: 0.25 });
    for (const { head, row, diagonal } of rowsOf)
      expect(mask.row(head, row).length).toBe(Math.ceil((diagonal + 1) / 4));
    expect(at(0, { selection: "ratio", ratio: 1 }).density()).toBe(1);
  });
});

describe("head grouping", () => {
  test("scores are summed over the query heads of a key-value head", () => {
    const four = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect([...sumOverGroups(four, 4, 2)]).toEqual([4, 6, 12, 14]);
    expect([...sumOverGroups(four, 4, 4)]).toEqual([...four]);
  });

  test("a group takes the largest of its thresholds", () => {
    expect([...maxOverGroups([0.1, 0.9, 0.4, 0.3], 2)]).toEqual([0.9, 0.4]);
  });

  test("the grouped mask differs from each head's own", () => {
    const heads = Float64Array.of(0, 9, 1, 0, 0, 0, 1, 9, 0, 0);
    const grouped = selectBlocks(sumOverGroups(heads, 2, 1), {
      ...base,
      heads: 1,
      rows: 1,
      cols: 5,
      rowOffset: 4,
      threshold: 0.8,
    });
    expect([...grouped.indices]).toEqual([0, 1, 2, 4]);
  });
});

describe("broken input", () => {
  test("scores of another shape are refused", () => {
    expect(() => selectBlocks(new Float32Array(5), { ...base, ...shape, threshold: 0.9 })).toThrow(
      "expected scores [3, 20, 32], got 5 numbers",
    );
    expect(() => at(0.9, { rowOffset: 13 })).toThrow("expected at least 33 key blocks, got 32");
    expect(() => at(Float64Array.of(0.9))).toThrow("expected a threshold for each of 3 heads, got 1");
  });

  test("scores that are not finite are refused rather than dropped", () => {
    expect(() => select([[0.5, Number.NaN, 0.5]])).toThrow("query block 2 are not finite");
  });

  test("a row without mass keeps its forced blocks", () => {
    const mask = select([[0, 0, 0]]);
    expect([...mask.indices]).toEqual([0, 2]);
    expect(mask.keptMass![0]).toBe(1);
  });
});

test("9 heads at 8k are selected with little work", async () => {
  const layer = randomScores(9, 9, 64, 64);
  const run = () => selectBlocks(layer, { ...base, heads: 9, rows: 64, cols: 64, rowOffset: 0, threshold: 0.9 });
  expect(await callsOf(run)).toBeLessThan(300_000);
});
