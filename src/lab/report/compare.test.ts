import { expect, test } from "vitest";
import { unseen } from "../metrics/bootstrap.ts";
import type { Result } from "../results.ts";
import { compareRuns, type Run } from "./compare.ts";
import { sampleReport } from "./sample.testing.ts";
import { comparisonRows, runRows } from "./tables.ts";

function run(folder: string, recipes: number, change: (result: Result) => Result = (r) => r): Run {
  const { summary, results } = sampleReport(recipes);
  return { folder, summary, results: results.map(change) };
}

/** Every recipe loses item n0. */
const losing = (result: Result): Result =>
  result.item === "n0" ? { ...result, parts: { "contains-answer": [0] }, flops: { dense: 2e12, spent: 1e12 } } : result;

test("a run has no differences from itself", () => {
  const { recipes, only_a, only_b } = compareRuns(run("a", 3), run("b", 3));
  expect(recipes.map(({ delta, by_item }) => [delta.mean, by_item])).toEqual(
    Array(3).fill([0, { better: 0, same: 40, worse: 0 }]),
  );
  // An event that does not occur in 40 items may still occur in others.
  for (const { delta } of recipes) expect(delta.ci95).toEqual([-unseen(40), unseen(40)]);
  expect([only_a, only_b]).toEqual([[], []]);
});

test("one lost item is 1/40 less, with an interval from the resamples that lose it", () => {
  const { recipes } = compareRuns(run("a", 2), run("b", 2, losing));
  const [dense] = recipes;
  expect(dense!.delta.mean).toBeCloseTo(-1 / 40, 12);
  expect(dense!.delta.ci95[1]).toBe(0);
  expect(dense!.by_item).toEqual({ better: 0, same: 39, worse: 1 });
  expect(dense!.b.flops_saved).toBeCloseTo(1 - (39 * 1.5 + 1) / 80, 12);
});

test("items and recipes in only one run are left out, and such recipes are named", () => {
  const half = run("b", 2);
  const { recipes, only_a } = compareRuns(run("a", 3), {
    ...half,
    results: half.results.filter((_, i) => i % 2 === 0),
  });
  expect(recipes.map(({ items }) => items)).toEqual([20, 20]);
  expect(only_a).toEqual(["xattention:threshold=0.9,stride=8,minLengthForSparse=2048"]);
});

test("different questions under the same ids are counted; results without question hashes are not", () => {
  const withHash = (hash: (item: string) => string) => (result: Result) => ({
    ...result,
    item_hash: hash(result.item),
  });
  const a = run(
    "a",
    2,
    withHash((item) => item),
  );
  const b = run(
    "b",
    2,
    withHash((item) => (item === "n3" ? "another" : item)),
  );
  expect(compareRuns(a, b).recipes.map(({ other_items }) => other_items)).toEqual([1, 1]);
  expect(compareRuns(a, run("b", 2)).recipes.map(({ other_items }) => other_items)).toEqual([0, 0]);
});

test("a task under another name is compared if its questions are the same", () => {
  const moved = (hash: string): Run => {
    const { summary, ...rest } = run("b", 2, (result) => ({ ...result, item_hash: hash }));
    return { ...rest, summary: { ...summary, task: "/elsewhere/mine.jsonl" } };
  };
  const a = run("a", 2, (result) => ({ ...result, item_hash: "1" }));
  expect(compareRuns(a, moved("1")).recipes.map(({ other_items }) => other_items)).toEqual([0, 0]);
  expect(() => compareRuns(a, moved("2"))).toThrow("runs of different tasks cannot be compared");
});

test("bytes stand beside time if both runs report them", () => {
  const read = run("b", 1, (result) => ({ ...result, bytes: { dense: 2e9, spent: 1.5e9 } }));
  const comparisons = compareRuns(run("a", 1), read);
  expect(comparisons.recipes[0]!.b.bytes_per_item).toBe(1.5e9);
  expect(comparisonRows(comparisons)[1]!.slice(-2)).toEqual(["", "1.50 GB"]);
});

test("incomparable runs are refused in one sentence", () => {
  const other = run("b", 2);
  const task = { ...other, summary: { ...other.summary, task: "arc-easy" } };
  expect(() => compareRuns(run("a", 2), task)).toThrow(
    "runs of different tasks cannot be compared: a has needle <4k>, b has arc-easy",
  );
  expect(() => compareRuns(run("a", 2), { ...other, results: [] })).toThrow("no item of a is in b");
  const metric = { name: "contains-answers", better: "higher" } as const;
  const unknown = { ...other, summary: { ...other.summary, metric } };
  expect(() => compareRuns(unknown, unknown)).toThrow(
    'there is no metric "contains-answers"; did you mean "contains-answer"?',
  );
});

test("rows of tables are as wide as their headings", () => {
  const comparisons = compareRuns(run("a", 3), run("b", 3, losing));
  const rows = comparisonRows(comparisons);
  expect(rows.map((row) => row.length)).toEqual(Array(4).fill(rows[0]!.length));
  expect(rows[1]!.slice(0, 5)).toEqual(["dense", "40", "1.000", "0.975", "−0.025"]);
  const runs = runRows([
    { folder: "a", summary: run("a", 2).summary },
    { folder: "b", summary: undefined },
  ]);
  expect(runs.map((row) => row.length)).toEqual(Array(3).fill(runs[0]!.length));
  expect(runs[1]).toContain("xattention:threshold=0.95,stride=8,minLengthForSparse=2048: 12.1 %, −0.001");
});
