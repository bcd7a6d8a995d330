import { expect, test } from "vitest";
import { ndcg } from "../../lab/metrics/index.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { checkFirstOptions } from "./options.ts";
import { windowsOf } from "./windows.ts";

const hundred = checkFirstOptions({ rankEnd: 100 });

test.each([
  [100, "80-100 70-90 60-80 50-70 40-60 30-50 20-40 10-30 0-20"],
  [50, "30-50 20-40 10-30 0-20"],
  [35, "15-35 5-25 0-15"],
  [25, "5-25 0-15"],
  [20, "0-20"],
  [15, "0-15"],
  [1, "0-1"],
  [0, ""],
])("windows over %i passages, back to front", (count, expected) => {
  const windows = windowsOf(count, hundred);
  expect(windows.map(([from, to]) => `${from}-${to}`).join(" ")).toBe(expected === "" ? "" : expected);
});

test("indices before rankStart and after rankEnd are in no window; passes repeat the windows", () => {
  const windows = windowsOf(100, checkFirstOptions({ rankStart: 5, rankEnd: 30, numPasses: 2 }));
  expect(windows).toEqual([
    ...[
      [10, 30],
      [5, 20],
    ],
    ...[
      [10, 30],
      [5, 20],
    ],
  ]);
  expect(windowsOf(5, checkFirstOptions({ rankStart: 5, rankEnd: 30 }))).toEqual([]);
});

test("an oracle in each window brings the best ten to the front, whatever the initial order: nDCG@10 is 1", () => {
  const relevance = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`d${i}`, i % 7 === 0 ? i : 0]));
  for (let seed = 0; seed < 20; seed++) {
    const order = shuffle(Object.keys(relevance), seededRandom(seed));
    for (const [from, to] of windowsOf(100, hundred))
      order.splice(from, to - from, ...order.slice(from, to).sort((a, b) => relevance[b]! - relevance[a]!));
    const item = { kind: "ranking", id: "", query: "", documents: [], relevance } as const;
    expect(ndcg(10).part(item, { order }, { order })[0]).toBeCloseTo(1, 12);
  }
});
