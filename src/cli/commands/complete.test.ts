import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { sourceOf } from "./complete.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-complete-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
};

test("a source file's text, without a byte order mark", () => {
  expect(sourceOf(file("a.ts", "\ufeffconst a = 1;\n"), { line: 1, column: 3 })).toBe("const a = 1;\n");
});

mkdirSync(join(folder, "sub"));
test.each([
  ["a line outside it", file("b.ts", "a\nb"), { line: 3, column: 1 }, /b\.ts: there is no line 3; the last line is 2$/],
  ["a column outside it", file("c.ts", "abc"), { line: 1, column: 5 }, /c\.ts: there is no column 5 in line 1; its/],
  ["an empty file", file("d.ts", ""), { line: 1, column: 1 }, /d\.ts: the text is empty; there is nothing/],
  ["a binary file", file("e.bin", "a\0b"), { line: 1, column: 1 }, /e\.bin: this is a binary file, expected a source/],
  ["what is not UTF-8", file("f.ts", Buffer.of(0xff, 0xfe)), { line: 1, column: 1 }, /f\.ts: expected text in UTF-8$/],
  ["a folder", join(folder, "sub"), { line: 1, column: 1 }, /sub: this is not a file$/],
  ["a missing file", join(folder, "none.ts"), { line: 1, column: 1 }, /none\.ts: there is no such file/],
])("%s is refused in one sentence", (_name, path, place, sentence) => {
  expect(() => sourceOf(path, place)).toThrow(sentence);
});
