import { describe, expect, test } from "vitest";
import { seededRandom, shuffle } from "../../util/random.ts";
import { bm25, orderBy } from "./presort.ts";

const texts = ["the wing stalls first", "a heated plate", "wings of a swept wing", "a plate", "heat"];

describe("BM25 over the list", () => {
  test("scores by the formula, with the list as the collection", () => {
    const { scores, flops } = bm25("Which wing stalls?", texts);
    // 10 terms in 5 texts; "wing" is in two of them, "stall" in one.
    const [wing, stall] = [Math.log1p(3.5 / 2.5), Math.log1p(4.5 / 1.5)];
    const share = (count: number, length: number) => (count * 2.2) / (count + 1.2 * (0.25 + (0.75 * length * 5) / 10));
    expect(scores[0]).toBeCloseTo(wing * share(1, 3) + stall * share(1, 3), 12);
    expect(scores[2]).toBeCloseTo(wing * share(2, 3), 12);
    expect([scores[1], scores[3], scores[4]]).toEqual([0, 0, 0]);
    expect(flops).toBe(3 * 6);
  });

  test("a query or a list without terms scores 0", () => {
    expect(bm25("of the", texts)).toEqual({ scores: [0, 0, 0, 0, 0], flops: 0 });
    expect(bm25("wing", ["", " "])).toEqual({ scores: [0, 0], flops: 0 });
  });
});

test("the list's order does not matter, even for texts with equal scores", () => {
  const best = (all: readonly string[]) => orderBy(bm25("wing", all).scores, all).map((i) => all[i]);
  for (let seed = 0; seed < 20; seed++) expect(best(shuffle([...texts], seededRandom(seed)))).toEqual(best(texts));
  expect(orderBy([0, 1, 0, 0], ["b", "d", "a", "b"])).toEqual([1, 2, 0, 3]);
});
