import { describe, expect, test } from "vitest";
import { checkPlace, splitAt } from "./place.ts";

const TEXT = "first\nsecond 🙂 line\n";

describe("a place", () => {
  test.each([
    [1, 1, "", TEXT],
    [1, 6, "first", "\nsecond 🙂 line\n"],
    [2, 4, "first\nsec", "ond 🙂 line\n"],
    [3, 1, TEXT, ""],
  ])("%i:%i parts a text", (line, column, before, after) => {
    expect(splitAt(TEXT, { line, column })).toEqual({ before, after });
  });

  test("counts UTF-16 units, and never parts a character", () => {
    expect(splitAt(TEXT, { line: 2, column: 10 }).after).toBe(" line\n");
    expect(splitAt(TEXT, { line: 2, column: 9 }).after).toBe("🙂 line\n");
  });

  test.each(["\r\n", "\r"])("counts lines that end in %j", (end) => {
    const text = TEXT.replaceAll("\n", end);
    expect(splitAt(text, { line: 2, column: 4 })).toEqual(splitAt(TEXT, { line: 2, column: 4 }));
  });

  test.each([
    [4, 1, "there is no line 4; the last line is 3"],
    [1, 7, "there is no column 7 in line 1; its last column is 6"],
    [3, 2, "there is no column 2 in line 3; its last column is 1"],
  ])("%i:%i is refused outside the text", (line, column, sentence) => {
    expect(() => splitAt(TEXT, { line, column })).toThrow(sentence);
  });

  test.each(["", " \n\t"])("of the empty text %j is refused", (text) => {
    expect(() => checkPlace(text, { line: 1, column: 1 })).toThrow("the text is empty; there is nothing to complete");
  });
});
