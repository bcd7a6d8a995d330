import { describe, expect, test } from "vitest";
import { type QueryOrderOptions, queryOrder, type SampledPattern } from "./pattern.ts";

const order = (select: SampledPattern, stride: number, more: Partial<QueryOrderOptions> = {}) =>
  queryOrder({ select, stride, groups: 4, firstGroup: 0, seed: 0, alternateShift: false, ...more });

/** All distances below `span`, from query back to key, that some tile samples. */
function sampledDistances(select: SampledPattern, stride: number, span: number, alternateShift = false): Set<number> {
  const groups = Math.ceil(span / stride) + 1;
  const queries = order(select, stride, { groups, alternateShift });
  const distances = new Set<number>();
  for (let i = 0; i < groups; i++)
    for (let j = 0; j <= i; j++)
      for (let t = 0; t < stride; t++) {
        const distance = queries[i * stride + t]! - (j * stride + t);
        if (distance >= 0 && distance < span) distances.add(distance);
      }
  return distances;
}

test("antidiagonal reverses each group, diagonal leaves it", () => {
  expect([...order("antidiagonal", 4, { groups: 2 })]).toEqual([3, 2, 1, 0, 7, 6, 5, 4]);
  expect([...order("diagonal", 4, { groups: 2 })]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test.each([
  ["antidiagonal", false],
  ["antidiagonal", true],
  ["diagonal", false],
  ["random", false],
] as const)("%s (shift %s): every query of a group meets exactly one key", (select, alternateShift) => {
  const queries = order(select, 8, { alternateShift });
  for (let group = 0; group < 4; group++)
    expect([...queries.slice(group * 8, group * 8 + 8)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 8 }, (_, t) => group * 8 + t),
    );
});

test.each(["antidiagonal", "random"] as const)("%s: a chunk is ordered as the whole prompt is", (select) => {
  const whole = order(select, 8, { groups: 9, alternateShift: select === "antidiagonal" });
  const chunk = order(select, 8, { groups: 4, firstGroup: 5, alternateShift: select === "antidiagonal" });
  expect([...chunk]).toEqual([...whole.slice(5 * 8)].map((query) => query - 5 * 8));
});

test("random orders differ from group to group and from seed to seed", () => {
  const within = (queries: Int32Array) =>
    Array.from({ length: 4 }, (_, g) =>
      queries
        .slice(g * 16, g * 16 + 16)
        .map((x) => x % 16)
        .join(),
    );
  const first = within(order("random", 16));
  expect(new Set(first).size).toBe(4);
  expect(within(order("random", 16, { seed: 1 }))).not.toEqual(first);
  expect(within(order("random", 16))).toEqual(first);
});

describe("which distances are sampled, exactly", () => {
  const span = 240;

  test.each([4, 8, 16])("even stride %d: the odd half", (stride) => {
    const sampled = sampledDistances("antidiagonal", stride, span);
    expect(sampled.size).toBe(span / 2);
    for (const distance of sampled) expect(distance % 2).toBe(1);
  });

  test.each([1, 3, 5, 15])("odd stride %d: all", (stride) => {
    expect(sampledDistances("antidiagonal", stride, span).size).toBe(span);
  });

  test.each([4, 5, 8, 16])("diagonal, stride %d: multiples of the stride alone", (stride) => {
    const sampled = sampledDistances("diagonal", stride, span);
    expect(sampled.size).toBe(span / stride);
    for (const distance of sampled) expect(distance % stride).toBe(0);
  });

  test.each([4, 8, 16])("alternating shift, stride %d: all", (stride) => {
    expect(sampledDistances("antidiagonal", stride, span, true).size).toBe(span);
  });
});
