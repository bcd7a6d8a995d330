import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PAGE, regionspotSection, SECTION } from "../tools/regionspot-results.ts";
import { root, withSection } from "../tools/section.ts";

test("the page of recognize has the figures of its results: npx tsx tools/regionspot-results.ts", () => {
  const page = readFileSync(join(root, PAGE), "utf8");
  expect(page).toBe(withSection(page, SECTION, regionspotSection()));
});
