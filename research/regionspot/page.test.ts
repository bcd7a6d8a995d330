import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { disagreements } from "../common/lab-page.ts";
import { PAGE, regionspotSection, SECTION } from "./page.ts";
import { plots } from "./plots.ts";
import { SECTION as PUBLISHED, publishedSection } from "./published/page.ts";

test("the page of recognize has the figures of its results: npx tsx research/regionspot/page.ts", () => {
  expect(disagreements([[PAGE, SECTION, regionspotSection()]], [])).toEqual([]);
});

test("its plots show its results: npx tsx research/regionspot/plots.ts", () => {
  for (const [file, svg] of plots()) expect(readFileSync(file, "utf8")).toBe(svg);
});

test("the page says what was measured between published models: npx tsx research/regionspot/published/page.ts", () => {
  expect(disagreements([[PAGE, PUBLISHED, publishedSection()]], [])).toEqual([]);
});
