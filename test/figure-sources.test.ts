import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { unsourced } from "../tools/figure-sources.ts";

const folder = mkdtempSync(join(tmpdir(), "figures-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "docs", "data"), { recursive: true });
writeFileSync(
  join(folder, "docs", "data", "a.json"),
  '{"ratio":1.3937,"share":0.4148,"ms":[8,14.4],"bytes":98364512,"prompt":6389,"spent":1.767e12}',
);
writeFileSync(
  join(folder, "docs", "prose.md"),
  "Fast: 2.71 times.\n\n<!-- x: written by tools/x.ts -->\n| 3.14 |\n<!-- /x -->\n",
);

const missing = (text: string) => unsourced("docs/prose.md", text, folder).map(({ figure }) => figure);

describe("a figure without a source", () => {
  test.each([
    ["a decimal", "It takes 0.415 of dense.", ["0.415"]],
    [
      "a whole number with a unit",
      "It saves 41 % in 98 MB, 3 times, 2 × as fast, 12 ms.",
      ["41", "98", "3", "2", "12"],
    ],
    ["a share in counts", "It finds 6 of 299.", ["6", "299"]],
    ["an interval", "+0.018 [−0.004, 0.033]", ["+0.018", "−0.004", "0.033"]],
    ["an exponent", "1.7e14 FLOPs, 1e-4 off", ["1.7e14", "1e-4"]],
    ["a cell", "| length | right |\n| --- | --- |\n| 2,048 | 12 |", ["12"]],
    ["a linked one, by a link to no data", "[1.39 times](prose.md) [as fast](https://example.com)", ["1.39"]],
    ["a linked one that the data does not have", "1.40 times ([run](data/a.json))", ["1.40"]],
    ["one that is only in a page's prose", "2.71 times ([page](prose.md))", ["2.71"]],
    ["one whose data does not exist", "1.39 times ([run](data/none.json))", ["1.39"]],
    ["one in the paragraph after its link", "See [run](data/a.json).\n\n1.39 times.", ["1.39"]],
    ["one in the list item after its link", "- 1.39 ([run](data/a.json))\n- 1.39 again", ["1.39"]],
    ["one whose link is code", "1.39 times `[run](data/a.json)`", ["1.39"]],
    ["one behind a generated block", "<!-- x: written by tools/x.ts -->\n1.5\n<!-- /x -->\n1.6", ["1.6"]],
  ])("is %s", (_, text, figures) => {
    expect(missing(text)).toEqual(figures);
  });
});

describe("no figure without a source", () => {
  test.each([
    ["a rounded number of the linked file", "1.39 times, 8.0 against 14.4 ms ([run](data/a.json))"],
    ["a share in per cent", "It takes 41 %, 41.5 % in full ([run](data/a.json))"],
    ["bytes in megabytes", "98 MB ([run](data/a.json))"],
    ["a number with thousands and one with an exponent", "6,389 of 6389, 1.77e12 ([run](data/a.json))"],
    ["data below a linked folder", "1.39 times ([runs](data))"],
    ["a number of a linked page's generated block", "3.14 times ([page](prose.md#x))"],
    ["a number of a generated block on the same page", "3.14 times ([below](#x))"],
    ["a table behind the paragraph that links", "Of [a run](data/a.json):\n\n| a | b |\n| --- | --- |\n| x | 1.39 |"],
    ["a table before the paragraph that links", "| a | b |\n| --- | --- |\n| x | 1.39 |\n\nOf [a run](data/a.json)."],
    ["a list item of several lines", "- 1.39 times\n  as fast ([run](data/a.json))"],
    ["a generated block", "<!-- x: written by tools/x.ts -->\n1.39\n<!-- /x -->"],
    ["code", "`threshold=0.9`\n\n```sh\nrun --threshold 0.9\n```"],
    ["a heading", "## At 0.9"],
    ["a paper's number", "([2503.16428](https://arxiv.org/abs/2503.16428)) and https://example.com/1.5"],
    ["a version, a name or a size in a name", "Node 20.12, Apache-2.0, Qwen2.5-Coder 0.5B, SmolLM2-135M, GGUF v2"],
    ["a count or a setting without a unit", "8 layers of width 128, a grid of 12 × 12, 4,096 tokens, 2 cores"],
  ])("is %s", (_, text) => {
    expect(missing(text)).toEqual([]);
  });
});

test("a figure's line is its line on the page", () => {
  const text = "# A\n\n```sh\nx\n```\n\n<!-- x: written by tools/x.ts -->\ny\n<!-- /x -->\n\none\ntwo 1.5\n";
  expect(unsourced("docs/page.md", text, folder)).toEqual([{ figure: "1.5", line: 12, linked: false }]);
});
