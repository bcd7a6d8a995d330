import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { committedRuns } from "../common/committed-runs.ts";
import { disagreements } from "../common/lab-page.ts";
import { plots } from "./attributes/plots.ts";
import { answersOf, type Page, pageOf } from "./attributes/results.ts";
import { SECTION as SPEED, speedSection } from "./attributes/speed.ts";
import { attributesSection, SECTION } from "./attributes/tables.ts";
import { SECTION as TUNED, tunedSection } from "./attributes/tuned.ts";
import { PAGE as ON_PROJECTOR, SECTION as PROJECTOR, projectorSection } from "./projector/tables.ts";
import { PAGE as DRAWINGS, SECTION as ON_DRAWINGS, vlmSection } from "./vlm-tiny/tables.ts";
import { PAGE as ON_YOPO, SECTION as TUNED_ON_DRAWINGS, tunedOnDrawings } from "./vlm-tiny/tuned.ts";
import { PAGE as ON_GRIDS, SECTION as WORD_GRID, wordGridSection } from "./word-grid/tables.ts";

for (const page of ["feather", "yopo"] satisfies Page[])
  test.skipIf(!existsSync(answersOf(page)))(
    `the page of ${page} says what its answers say: npx tsx research/visual-tokens/attributes/tables.ts`,
    () => expect(disagreements([[pageOf(page), SECTION, attributesSection(page)]], [])).toEqual([]),
  );

test("their plots show what the committed files say: npx tsx research/visual-tokens/attributes/plots.ts", () => {
  for (const [file, svg] of plots()) expect(readFileSync(file, "utf8")).toBe(svg);
});

test("the page of yopo says how long prompts took: npx tsx research/visual-tokens/attributes/speed.ts measures them anew", () =>
  expect(disagreements([[pageOf("yopo"), SPEED, speedSection()]], [])).toEqual([]));

test("the page of yopo says what tuned models answered: npx tsx research/visual-tokens/attributes/tuned.ts", () =>
  expect(disagreements([[pageOf("yopo"), TUNED, tunedSection()]], [])).toEqual([]));

test("the page of feather says what the lab's runs on drawings say: npx tsx research/visual-tokens/vlm-tiny/tables.ts", () =>
  expect(disagreements([[DRAWINGS, ON_DRAWINGS, vlmSection()]], [])).toEqual([]));

test("the page of yopo says what models tuned on drawings answered: npx tsx research/visual-tokens/vlm-tiny/tuned.ts", () =>
  expect(disagreements([[ON_YOPO, TUNED_ON_DRAWINGS, tunedOnDrawings()]], [])).toEqual([]));

test("the page of word grids says what its files say: npx tsx research/visual-tokens/word-grid/tables.ts", () =>
  expect(
    disagreements([[ON_GRIDS, WORD_GRID, wordGridSection()]], committedRuns("research/visual-tokens/word-grid")),
  ).toEqual([]));

test("the page of the projector says what its files say: npx tsx research/visual-tokens/projector/tables.ts", () =>
  expect(disagreements([[ON_PROJECTOR, PROJECTOR, projectorSection()]], [])).toEqual([]));
