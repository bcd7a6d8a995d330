/** Compares losses and their gradients with rank_llm's. */
import { describe, expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { listNet, rankLosses } from "./losses.ts";

interface Loss {
  loss: number;
  gradient: number[];
}
interface Case {
  seed: number;
  count: number;
  ranks: number[];
  losses: Record<"weighted-ranknet" | "ranknet" | "listnet" | "listnet of ranks", Loss>;
}
const { repository, cases } = authorsFixture<{ cases: Case[] }>("authors.json", import.meta.url);

describe.each(cases)(`lists of $count as ${repository} trains them`, ({ seed, count, ranks, losses }) => {
  const scores = numbers(seed, 26)
    .subarray(0, count)
    .map((x) => 3 * x);

  test.each(["weighted-ranknet", "ranknet"] as const)("%s", (name) => {
    const { loss, gradient } = rankLosses[name](scores, ranks);
    expect(farthest([loss, ...gradient], [losses[name].loss, ...losses[name].gradient])).toBeLessThanOrEqual(1e-5);
  });

  test("listnet, with the teacher's ranks as its scores", () => {
    const { loss, gradient } = listNet(scores, ranks);
    const theirs = losses["listnet of ranks"];
    expect(farthest([loss, ...gradient], [theirs.loss, ...theirs.gradient])).toBeLessThanOrEqual(1e-5);
  });

  test("its training passes the model's own scores to listnet in the teacher's order; ours does not", () => {
    expect(Math.abs(listNet(scores, ranks).loss - losses.listnet.loss)).toBeGreaterThan(1e-3);
  });
});
