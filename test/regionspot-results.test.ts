import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { disagreements } from "../tools/lab-results.ts";
import { plots } from "../tools/regionspot-plots.ts";
import { PAGE, regionspotSection, SECTION } from "../tools/regionspot-results.ts";

test("the page of recognize has the figures of its results: npx tsx tools/regionspot-results.ts", () => {
  expect(disagreements([[PAGE, SECTION, regionspotSection()]], [])).toEqual([]);
});

test("its plots show its results: npx tsx tools/regionspot-plots.ts", () => {
  for (const [file, svg] of plots()) expect(readFileSync(file, "utf8")).toBe(svg);
});
