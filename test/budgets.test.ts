import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Budgets, codeLines, lowered, overspent } from "../tools/budgets.ts";
import { root } from "./program.testing.ts";

describe("lines of code", () => {
  test.each([
    ["blank lines and comments are none", "\n// a\n/* b */\n/**\n * c\n */\n", 0],
    ["code with a comment behind it is one", "const a = 1; // a\nconst b = 2; /* b */\n", 2],
    ["code behind the end of a comment is one", "/* a */ const a = 1;\n/*\n*/ const b = 2;\n", 2],
    ["an address is no comment", 'const a = "https://a";\n', 1],
  ])("%s", (_, text, lines) => {
    expect(codeLines(text)).toBe(lines);
  });
});

describe("a budget", () => {
  const budgets: Budgets = {
    lines: { is: "code lines", limit: 10, goal: 8 },
    files: { is: "files", limit: 3, goal: 3 },
  };

  test("holds up to its limit, and one sentence lists what exceeds it", () => {
    expect(overspent(budgets, { lines: 10, files: 2 })).toEqual([]);
    expect(overspent(budgets, { lines: 11, files: 3 })).toEqual(["lines: 11, and the limit is 10 (code lines)"]);
  });

  test("is refused without its measure, and a measure without its budget", () => {
    expect(() => overspent(budgets, { lines: 1 })).toThrow("budgets.json has files, lines; measured: lines");
    expect(() => overspent({}, { lines: 1 })).toThrow("measured: lines");
  });

  test("is lowered to the measured value, and never raised", () => {
    expect(lowered(budgets, { lines: 9, files: 4 })).toEqual({
      lines: { is: "code lines", limit: 9, goal: 8 },
      files: { is: "files", limit: 3, goal: 3 },
    });
  });
});

test("CI checks the budgets after lint", () => {
  expect(readFileSync(join(root, ".ci/run"), "utf8")).toMatch(/^npm run lint\nnpm run budgets\nnpm test$/m);
  expect(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts.budgets).toBe("tsx tools/budgets.ts");
});
