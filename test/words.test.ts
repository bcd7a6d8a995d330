import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./program.testing.ts";

// Turns of phrase that read as translated, in comments, messages and the names of tests.
const LIMITS: Readonly<Record<string, { readonly pattern: RegExp; readonly most: number }>> = {
  "those of": { pattern: /\bthose of\b/gi, most: 20 },
  ", too": { pattern: /, too\b(?! \w)/g, most: 20 },
  "that is none": { pattern: /\bthat is none\b/g, most: 0 },
  "of before": { pattern: /\b[a-z]+s of before\b(?!\.|!)/g, most: 0 },
  "its turn, their turn": { pattern: /\b(its|their) turn\b/gi, most: 0 },
};

const FOLDERS = ["src", "apps", "bench", "examples", "site", "test", "tools"];

const texts = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/node_modules|\.next|fixtures|words\.test/.test(name))
    .map((name) => [join(folder, name), readFileSync(join(root, folder, name), "utf8")] as const),
);

test.each(Object.entries(LIMITS))("%s is rare", (_, { pattern, most }) => {
  const matches = texts.flatMap(([name, text]) => Array.from(text.matchAll(pattern), () => name));
  expect(matches.length, matches.join(", ")).toBeLessThanOrEqual(most);
});

test("a file with the phrase would be found", () => {
  expect("the last of it, too.".match(LIMITS[", too"]!.pattern)).toHaveLength(1);
  expect("Those of one.".match(LIMITS["those of"]!.pattern)).toHaveLength(1);
  expect("It is their turn.".match(LIMITS["its turn, their turn"]!.pattern)).toHaveLength(1);
  expect("too large, too many".match(LIMITS[", too"]!.pattern)).toBeNull();
});
