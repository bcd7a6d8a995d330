import { expect, test } from "vitest";
import type { StepReport } from "../session/run.ts";
import { costOf, rungsOf, windowOf } from "./rungs.ts";
import { checkMeasured, rankedBy, survivors, type WatchedRun } from "./screen.ts";
import { type ScreenOptions, screenOptions } from "./screen-options.ts";

const options = (changed: unknown = {}): ScreenOptions => screenOptions.parse(changed);

/** A run of 100 steps whose loss falls from `loss` by `fall` over 40 steps, evaluated every ten. */
function traced(
  out: string,
  loss: number,
  norm: number,
  { fall = 1, heldOut = 1 }: { fall?: number; heldOut?: number } = {},
): WatchedRun {
  const step = (i: number): StepReport => ({
    ...{ step: i, steps: 100, loss: loss - (fall * i) / 40 + (i % 2) * 0.01, rate: 1e-3, norm: norm + (i % 3) * 0.1 },
    ...{ labelled: 8, tokens: 64 * i, samples: i, ms: 1 },
    ...(i % 10 === 0 && { validation: loss - (heldOut * i) / 40 }),
  });
  return { out, steps: 100, done: Array.from({ length: 40 }, (_, i) => step(i + 1)) };
}

const measure = { best: "loss", tasks: [] };
const names = (runs: readonly { out: string }[]) => runs.map(({ out }) => out);

test("the rule sums weighted ranks: loss from the highest, norm from the lowest", () => {
  const runs = [traced("a", 3, 1), traced("b", 5, 3), traced("c", 4, 2), traced("d", 2, 4)];
  // Order by loss: b c a d; by norm: a c b d. Sums of ranks: a 3 + 0.5·1, b 1 + 0.5·3, c 2 + 0.5·2, d 4 + 0.5·4.
  const ranked = rankedBy(options({ mode: "paper" }), 0.2, runs);
  expect(ranked.map(({ out, score }) => [out, score])).toEqual([
    ["b", 2.5],
    ["c", 3],
    ["a", 3.5],
    ["d", 6],
  ]);
  expect(ranked[0]).toMatchObject({ norm: expect.closeTo(3.1, 12), loss: expect.closeTo(5 - 10.5 / 40 + 0.005, 12) });
  const byNorm = rankedBy(options({ mode: "paper", lossWeight: 0, normWeight: 1 }), 0.2, runs);
  expect(names(byNorm)).toEqual(["a", "c", "b", "d"]);
});

test("a run whose loss does not fall, or whose held-out loss rises, is never retained before sound runs", () => {
  const runs = [
    traced("flat", 9, 0.1, { fall: 0, heldOut: 0 }),
    traced("worse", 8, 0.1, { heldOut: -1 }),
    traced("sound", 1, 9),
  ];
  const ranked = rankedBy(options({ mode: "paper" }), 0.2, runs);
  expect(ranked.map(({ out, fault, score }) => [out, fault, score])).toEqual([
    ["sound", undefined, 1.5],
    ["flat", "flat", null],
    ["worse", "worse", null],
  ]);
  const selected = survivors({ share: 0.2, keep: 2 }, runs, options({ mode: "paper" }), measure);
  expect(names(selected)).toEqual(["sound"]);
});

test("halving retains the best by the measure alone, up to the rung's step", () => {
  const late = traced("late", 2, 1, { heldOut: 8 });
  const runs = [traced("a", 3, 1), late, traced("b", 2.2, 1), traced("c", 5, 1)];
  expect(names(survivors({ share: 0.1, keep: 2 }, runs, options(), measure))).toEqual(["late", "b"]);
  const behind = {
    ...late,
    done: late.done.map((report) => ({ ...report, ...(report.step > 20 && { validation: 9 }) })),
  };
  expect(names(survivors({ share: 0.4, keep: 1 }, [behind, runs[2]!], options(), measure))).toEqual(["late"]);
});

test("halving needs its measure at the rung; the paper's rule does not", () => {
  const { done, ...run } = traced("a", 3, 1);
  const unjudged = { ...run, done: done.map(({ validation: _, ...report }) => report) };
  const check = (runs: WatchedRun[]) => () => checkMeasured(runs, { share: 0.2, keep: 1 }, measure);
  expect(check([unjudged, unjudged])).toThrow("screen: loss is not measured by step 20; set mode to paper or report");
  expect(check([unjudged, traced("b", 3, 1)])).not.toThrow();
  expect(check([])).not.toThrow();
});

test("a task with a rising metric is ranked from the highest", () => {
  const runs = [0.2, 0.6, 0.4].map((quality, i) => {
    const run = traced(`run${i}`, 3, 1);
    return { ...run, done: run.done.map((report) => ({ ...report, tasks: { intents: quality } })) };
  });
  const byTask = { best: "intents", tasks: [{ name: "intents", better: "higher" as const }] };
  expect(names(survivors({ share: 0.2, keep: 2 }, runs, options(), byTask))).toEqual(["run1", "run2"]);
});

test("rungs are at one, two and four windows; the last leaves the retained runs", () => {
  expect(rungsOf(options(), 8, 0.1)).toEqual([
    { share: 0.1, keep: 4 },
    { share: 0.2, keep: 2 },
    { share: 0.4, keep: 2 },
  ]);
  expect(rungsOf(options({ keep: 1 }), 20, 0.3).map(({ keep }) => keep)).toEqual([10, 1]);
  expect(rungsOf(options("paper"), 8, 0.1)).toEqual([{ share: 0.1, keep: 2 }]);
  expect(rungsOf(options("report"), 8, 0.1)).toEqual([]);
});

test("the cost of one rung is (k + (K − k)·φ) / K", () => {
  expect(costOf(rungsOf(options("paper"), 8, 0.1), 8)).toBeCloseTo(0.325, 12);
  expect(costOf(rungsOf(options(), 8, 0.1), 8)).toBeCloseTo((2 + 4 * 0.1 + 2 * 0.2) / 8, 12);
  expect(costOf([], 8)).toBe(1);
  expect(costOf(rungsOf(options({ keep: 9 }), 8, 0.1), 8)).toBe(1);
});

test("the window is at least twenty steps of every run", () => {
  expect(windowOf(options(), [1000, 400])).toBe(0.1);
  expect(windowOf(options(), [1000, 100])).toBe(0.2);
  expect(() => windowOf(options(), [1000, 39])).toThrow("screen: a run has 39 steps, expected at least 40");
});
