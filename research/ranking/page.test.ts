import { expect, test } from "vitest";
import { disagreements } from "../common/lab-page.ts";
import { collectionNames } from "./collections.ts";
import { armsOf, differenceOf, PAGE, pooledDifference, SECTION, section } from "./page.ts";
import { HYBRID, rowsOf } from "./rows.ts";

test("the page of rankers says what its rows say: npx tsx research/ranking/page.ts", () => {
  expect(disagreements([[PAGE, SECTION, section()]], [])).toEqual([]);
});

test("every query is ranked once by an arm, behind the arm whose order it reads", () => {
  for (const name of collectionNames) {
    const keys = rowsOf(name).map(({ arm, query }) => `${arm} ${query}`);
    expect(new Set(keys).size).toBe(keys.length);
    const arms = armsOf(name);
    for (const [arm, rows] of arms) {
      const earlier = arms.get(arm.slice(0, Math.max(0, arm.lastIndexOf(">"))));
      for (const { query, order } of rows.values()) {
        expect(new Set(order).size).toBe(order.length);
        if (earlier) expect(earlier.get(query)!.order).toEqual(expect.arrayContaining([...order]));
      }
    }
  }
});

test.each(collectionNames)("%s: the usual reranker is above the same documents in random order", (name) => {
  const { ci95 } = differenceOf(armsOf(name), `${HYBRID}>ms-marco`, `${HYBRID}>random`);
  expect(ci95[0]).toBeGreaterThan(0);
});

test("the usual reranker is above the one before, and an index's usual encoder is not below the other", () => {
  expect(pooledDifference(`${HYBRID}>ms-marco`, `${HYBRID}>minilm`).ci95[0]).toBeGreaterThan(0);
  expect(pooledDifference("bge-small+bm25", HYBRID).ci95[0]).toBeLessThanOrEqual(0);
});
