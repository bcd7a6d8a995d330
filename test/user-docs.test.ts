import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../tools/section.ts";
import { userDocs, wordsOf } from "./user-docs.ts";

test("users read README.md and docs/, without the log", () => {
  const pages = userDocs();
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/README.md", "docs/savings/xattention.md"]));
  expect(pages).not.toContain("docs/log.md");
  expect(pages.filter((page) => !/^(README\.md$|docs\/)/.test(page))).toEqual([]);
});

test("a word has a letter or a digit, and stands outside generated sections and JSON", () => {
  const table = "<!-- options: written by tools/options.ts -->\n| a | b |\n<!-- /options -->";
  expect(wordsOf(`# One two\n\n${table}\n\nthree – 4 | --- | \`five six\``)).toBe(6);
  expect(wordsOf('one\n\n```json\n{ "a": 1 }\n```\n\n```sh\ntwo\n```\n')).toBe(3);
});

test("users read 30,000 words at most", () => {
  const words = userDocs().map((page) => wordsOf(readFileSync(join(root, page), "utf8")));
  expect(words.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(30_000);
});
