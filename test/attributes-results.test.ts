import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { answersOf, type Page, pageOf } from "../tools/attributes/results.ts";
import { attributesSection, SECTION } from "../tools/attributes/tables.ts";
import { disagreements } from "../tools/lab-results.ts";

test.each<Page>(["feather", "yopo"])(
  "the page of %s says what its answers say: npx tsx tools/attributes/tables.ts",
  (page) => {
    if (!existsSync(answersOf(page))) return;
    expect(disagreements([[pageOf(page), SECTION, attributesSection(page)]], [])).toEqual([]);
  },
);
