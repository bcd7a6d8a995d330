import { describe, expect, test } from "vitest";
import { splitAt } from "./place.ts";
import { endIn, scopeOf, trimmed } from "./scope.ts";

/** The scope at the mark `|` in a text. */
function at(marked: string) {
  const [before, after] = marked.split("|") as [string, string];
  return scopeOf({ before, after });
}

describe("how far a completion goes", () => {
  test.each([
    ["const total = |", "line"],
    ["const total = | + 1;", "line"],
    ["  return add(|);", "line"],
    ["if (ready) {|", "opened block"],
    ["if (ready) {|}", "opened block"],
    ["const twice = (x) =>|", "opened block"],
    ["def total(items):|", "opened block"],
    ["  |", "block"],
    ["a\n|\nb", "block"],
    ["  |return 1;", "line"],
  ])("%j: %s", (text, kind) => {
    expect(at(text).kind).toBe(kind);
  });

  test("is read of the text around a place", () => {
    const scope = scopeOf(splitAt("f(\n  a)\n\nnext", { line: 2, column: 4 }));
    expect(scope).toEqual({ kind: "line", begun: "  a", rest: ")", next: "next" });
  });
});

/** Returns the answer up to its end. Checks that no shorter prefix of the answer yields a different end. */
function inScope(marked: string, answer: string): string {
  const scope = at(marked);
  const end = endIn(answer, scope);
  for (let length = 0; length <= answer.length; length++) {
    const early = endIn(answer.slice(0, length), scope);
    if (early !== undefined) expect(early).toBe(end);
  }
  return trimmed(answer, scope);
}

describe("an answer ends", () => {
  test.each([
    ["with its line", "const a = |", "1;\nconst b = 2;", "1;"],
    ["before a line break, if the line is whole", "const a = 1;|", "\nconst b = 2;", ""],
    ["with what it has, if it is cut", "const a = |", "compute(", "compute("],
    ["before a blank line after statements", "{\n  |", "a();\n  b();\n\n  c();", "a();\n  b();"],
    ["not at a blank line within a block", "|", "if (x) {\n\n  a();\n}\n\nb();", "if (x) {\n\n  a();\n}"],
    ["before a line with less indentation", "def f():\n    |", "a = 1\n    return a\ng()", "a = 1\n    return a"],
    ["with the bracket that closes what the line opened", "if (x) {|", "\n  a();\n}\nb();", "\n  a();\n}"],
    ["before the next statement after a block of Python", "if x:|", "\n    a()\nb()\n", "\n    a()"],
    ["before the next line that is there", "f({|\n});", "\n  a: 1,\n});\ng();", "\n  a: 1,"],
    ["with tabs as with spaces", "\tif x:|", "\n\t\ta()\n\tb()\n", "\n\t\ta()"],
  ])("%s", (_name, marked, answer, text) => {
    expect(inScope(marked, answer)).toBe(text);
  });

  test.each([
    ["a bracket that the line has", "add(|);", "a, b);", "a, b"],
    ["not one that it opens itself", "add(|);", "total()", "total()"],
    ["the rest of the line", "const a = | + 1;", "b + 1;", "b "],
    ["spaces at its end", "const a = |", "1;  ", "1;"],
  ])("without %s", (_name, marked, answer, text) => {
    expect(inScope(marked, answer)).toBe(text);
  });
});
