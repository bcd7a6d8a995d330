import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { readJson, readOptionalJson } from "./json-file.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-json-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "x.json");
const schema = z.looseObject({ size: z.int().min(1) });

test("what is there is read as the schema has it; what need not be there is nothing", () => {
  writeFileSync(file, '{"size": 3, "eps": NaN}');
  expect(readJson(file, schema, "sizes")).toEqual({ size: 3, eps: null });
  expect(readOptionalJson(file, schema)).toEqual({ size: 3, eps: null });
  expect(readOptionalJson(join(folder, "none.json"), schema)).toBeUndefined();
});

test.each([
  ["{", "this is not JSON"],
  ["", "this is not JSON"],
  [Buffer.from('{"size":"\xff"}', "latin1"), "this is not JSON"],
  [`{"a":${"[".repeat(70)}${"]".repeat(70)}}`, "this is not JSON"],
  ["null", "expected object, got null"],
  ['{"size": 0}', '"size": must be at least 1 (got 0)'],
  [`{"size": 1${" ".repeat(100)}}`, "the file has 111 bytes; the limit is 99"],
])("%j is refused by the file's name", (text, sentence) => {
  writeFileSync(file, text);
  const refusal = expect.objectContaining({ name: "UserError", message: `${file}: ${sentence}` });
  expect(() => readJson(file, schema, "sizes", 99 + (text.length > 111 ? 100 : 0))).toThrow(refusal);
});

test("brackets in texts are no nesting", () => {
  writeFileSync(file, JSON.stringify({ size: 1, tokens: "[{".repeat(99), escaped: '\\"[' }));
  expect(readJson(file, schema, "sizes").size).toBe(1);
});

test("a file that is not there is told what it should hold; a folder is no file", () => {
  const none = join(folder, "none.json");
  expect(() => readJson(none, schema, "sizes")).toThrow(`${none}: there is no such file, expected sizes`);
  mkdirSync(join(folder, "dir.json"));
  expect(() => readJson(join(folder, "dir.json"), schema, "sizes")).toThrow("dir.json: this is not a file");
});
