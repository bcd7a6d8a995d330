import { describe, expect, test } from "vitest";
import type { Recipe } from "../../../savings/recipe.ts";
import { UserError } from "../../../util/errors.ts";
import type { Point } from "../frontier.ts";
import { Budget, type BudgetOptions } from "./budget.ts";
import { type Prober, search } from "./index.ts";
import { parseSearch } from "./spec.ts";

interface Options {
  threshold: number;
  stride: number;
  after: number;
}

/** A prober with quality and saving computed from options, and the calls to it. An item costs one FLOP. */
function prober(point: (options: Options, items: number) => Point, most: BudgetOptions = {}, items = 64) {
  const calls: { options: Options; items: number }[] = [];
  const billed = new Map<string, number>();
  const prober: Prober = {
    ...{ items, better: "higher" as const, budget: new Budget(most) },
    async measure([step], some) {
      calls.push({ options: step!.options as Options, items: some });
      prober.budget.add({ flops: some - (billed.get(step!.text) ?? 0), minutes: 1 });
      billed.set(step!.text, some);
      return point(step!.options as Options, some);
    },
    estimate: async (_recipe, some) => ({ item: { flops: 1, minutes: 0 }, all: { flops: some, minutes: 1 } }),
  };
  return { prober, calls };
}

const thresholds = (recipes: readonly Recipe[]) => recipes.map(([s]) => (s!.options as Options).threshold);

describe("the middle of the widest gap", () => {
  // Quality drops sharply at 0.8.
  const cliff = ({ threshold: t }: Options): Point => ({ quality: t >= 0.8 ? 0.9 : t, saved: 1 - t });

  test("is tried until neighbours are close: more where more changes", async () => {
    const { prober: p, calls } = prober(cliff);
    const result = thresholds(await search(parseSearch("xattention:threshold=0.5..1"), p));
    expect(result).toEqual(calls.map(({ options }) => options.threshold).sort());
    expect([result[0], result.at(-1)]).toEqual([0.5, 1]);
    const points = result.map((threshold) => cliff({ threshold } as Options));
    for (let i = 1; i < result.length; i++) {
      const near = Math.abs(points[i]!.saved - points[i - 1]!.saved) / 0.5 <= 0.11;
      expect(near || result[i]! - result[i - 1]! < 0.5 / 32).toBe(true);
    }
    expect(result.length).toBeLessThan(30);
  });

  test("ends with the budget, and reports what was spent", async () => {
    const { prober: p } = prober(cliff, { budgetFlops: 64 * 5 });
    const result = await search(parseSearch("xattention:threshold=0.5..1"), p);
    expect(result).toHaveLength(5);
    expect(p.budget.spent).toEqual({ probes: 5, flops: 320, minutes: 5 });
    const { prober: q } = prober(cliff, { budgetMinutes: 3.5 });
    expect(await search(parseSearch("xattention:threshold=0.5..1"), q)).toHaveLength(3);
  });

  test("a budget below the first probe costs one item, and finds nothing", async () => {
    const { prober: p, calls } = prober(cliff, { budgetFlops: 63 });
    expect(await search(parseSearch("xattention:threshold=0.5..1"), p)).toEqual([]);
    expect([calls, p.budget.spent, p.budget.allows]).toEqual([[], { probes: 1, flops: 1, minutes: 0 }, false]);
    const { prober: q } = prober(cliff, { budgetFlops: 7 });
    expect(await search(parseSearch("xattention:threshold=0.5|1"), q)).toEqual([]);
  });

  test("uses whole numbers if the option does, and stops where nothing changes", async () => {
    const { prober: p, calls } = prober(({ after }) => ({ quality: 1, saved: 1 / after }));
    await search(parseSearch("prune:after=1..9"), p);
    for (const { options } of calls) expect(Number.isInteger(options.after)).toBe(true);
    expect(new Set(calls.map(({ options }) => options.after)).size).toBe(calls.length);
    const { prober: narrow, calls: narrowly } = prober(({ threshold }) => ({ quality: threshold, saved: 0 }));
    await search(parseSearch("xattention:threshold=0.999999..0.9999999"), narrow);
    expect(new Set(narrowly.map(({ options }) => options.threshold)).size).toBe(narrowly.length);
    const { prober: flat } = prober(() => ({ quality: 1, saved: 0 }));
    expect(await search(parseSearch("xattention:threshold=0.5..1"), flat)).toHaveLength(2);
  });
});

describe("values that a saving or a model refuses", () => {
  const byStride = ({ stride }: Options): Point => ({ quality: 1, saved: stride });
  const strides = (recipes: readonly Recipe[]) => recipes.map(([s]) => (s!.options as Options).stride);
  const divisors = "xattention:stride=4..16,blockSize=16";

  test("are replaced by the nearest accepted ones", async () => {
    const { prober: p, calls } = prober(byStride);
    expect(strides(await search(parseSearch(divisors), p))).toEqual([4, 8, 16]);
    expect(calls.map(({ options }) => options.stride)).toEqual([4, 16, 8]);
    const { prober: wide } = prober(byStride);
    expect(strides(await search(parseSearch("xattention:stride=1..128"), wide))).toEqual([1, 8, 16, 32, 64, 128]);
  });

  test("the same for a model's refusal; a fault of an end, or of anything else, is thrown", async () => {
    const failing = (at: number, error: Error) =>
      prober((options) => {
        if (options.stride === at) throw error;
        return byStride(options);
      }).prober;
    const refusal = new UserError("the model has no such blocks", 2);
    expect(strides(await search(parseSearch(divisors), failing(8, refusal)))).toEqual([4, 16]);
    await expect(search(parseSearch(divisors), failing(16, refusal))).rejects.toThrow("no such blocks");
    await expect(search(parseSearch(divisors), failing(8, new UserError("disk full")))).rejects.toThrow("disk full");
  });
});

describe("successive halving", () => {
  const point = ({ threshold, stride }: Options): Point => ({
    quality: threshold,
    saved: stride / 32 - threshold / 100,
  });
  const grid = "xattention:threshold=0.5|0.6|0.7|0.8,stride=8|16";

  test("tries all on few items, the better half on twice as many, to the end", async () => {
    const { prober: p, calls } = prober(point);
    const result = await search(parseSearch(grid), p);
    const sizes = calls.map(({ items }) => items);
    expect([8, 16, 32, 64].map((n) => sizes.filter((s) => s === n).length)).toEqual([8, 4, 2, 1]);
    // No setting at stride 16 beats another; each setting at stride 8 is beaten by a setting at stride 16.
    expect(result.map(([s]) => s!.options)).toEqual([expect.objectContaining({ stride: 16 })]);
    expect(p.budget.spent.flops).toBe(8 * 8 + 4 * 8 + 2 * 16 + 32);
  });

  test("a budget that ends before all items were seen proposes nothing", async () => {
    const { prober: p } = prober(point, { budgetFlops: 80 });
    expect(await search(parseSearch(grid), p)).toEqual([]);
    expect(p.budget.allows).toBe(false);
  });
});

describe("a search's specification", () => {
  test.each([
    ["xattention:threshold=0.5..1,stride=8|16", /not both/],
    ["xattention:threshold=1..0.5", /from low to high, got 1..0.5/],
    ["xattention:threshold=..0.5", /one option as low..high/],
    ["xattention:threshold=0.5", /one option as low..high, or options as lists a\|b/],
    ["xattention", /one option as low..high/],
    ["xattenton:threshold=0.5..1", /no saving is called "xattenton".*did you mean/],
    ["xattention:treshold=0.5..1", /no option "treshold"; did you mean "threshold"/],
    ["xattention:threshold=-1..1", /threshold/],
  ])("%s is refused", (text, message) => expect(() => parseSearch(text)).toThrow(message));
});
