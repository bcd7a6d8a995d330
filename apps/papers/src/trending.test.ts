import { expect, test } from "vitest";
import { trendingScore } from "./trending.ts";

const paper = { listed: "2025-12-10", votes: 10, comments: 2, readers: { votes: 1, reads: 4 } };

test("interest of any kind lifts a paper", () => {
  for (const more of [
    { votes: 11 },
    { comments: 3 },
    { readers: { votes: 2, reads: 4 } },
    { readers: { votes: 1, reads: 5 } },
  ])
    expect(trendingScore({ ...paper, ...more })).toBeGreaterThan(trendingScore(paper));
});

test("a week halves what a paper's interest counts", () => {
  const older = { listed: "2025-12-03", votes: 30, comments: 2, readers: { votes: 1, reads: 2 } };
  expect(trendingScore(older)).toBeCloseTo(trendingScore({ ...paper }), 10);
  expect(trendingScore({ ...paper, listed: "2025-12-03" })).toBeCloseTo(trendingScore(paper) - 1, 10);
});

test("unknown counts add nothing, and a paper that was never listed is last", () => {
  const unknown = { ...paper, votes: null, comments: null, readers: { votes: 0, reads: 0 } };
  expect(trendingScore(unknown)).toBe(trendingScore({ ...unknown, votes: 0, comments: 0 }));
  expect(trendingScore({ ...paper, listed: null })).toBeLessThan(trendingScore({ ...unknown, listed: "1991-08-14" }));
});
