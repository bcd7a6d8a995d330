import { expect, test } from "vitest";
import { disagreements } from "../common/lab-page.ts";
import { judged, PAGE, questions, SECTION, section } from "./evidence-page.ts";
import { answeredRows } from "./evidence-rows.ts";

const all = questions();

test("the page of gates says what its rows say: npx tsx research/expertrag/evidence-page.ts", () => {
  expect(disagreements([[PAGE, SECTION, section()]], [])).toEqual([]);
});

test("every question that was answered both ways is scored", () => {
  expect(all).toHaveLength(answeredRows().length);
});

test.each(["bge-small", "ms-marco"] as const)("%s is above random gates that look up as many", (gate) => {
  for (const rate of [0.25, 0.5]) expect(judged(gate, all, rate).gain.ci95[0]).toBeGreaterThan(0);
});

test("a random gate and the margin are not", () => {
  for (const gate of ["random", "margin"] as const)
    for (const rate of [0.25, 0.5]) expect(judged(gate, all, rate).gain.ci95[0]).toBeLessThanOrEqual(0);
});
