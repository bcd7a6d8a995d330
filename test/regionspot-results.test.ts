import { expect, test } from "vitest";
import { disagreements } from "../tools/lab-results.ts";
import { PAGE, regionspotSection, SECTION } from "../tools/regionspot-results.ts";

test("the page of recognize has the figures of its results: npx tsx tools/regionspot-results.ts", () => {
  expect(disagreements([[PAGE, SECTION, regionspotSection()]], [])).toEqual([]);
});
