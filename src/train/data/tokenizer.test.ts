import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { TokenizerFiles } from "../../weights/tokenizer/files.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteTokenizer, characterTokenizer } from "./tokenizer.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));

function opened(files: TokenizerFiles): Tokenizer {
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return new Tokenizer(fromFolder(folder));
}

const text = "Zwölf Boxkämpfer: 12, 😀 .\r\n\n\t  don't  <|endoftext|> a";

test("characters: one token each, by code point, and the text can be decoded", () => {
  const tokenizer = opened(characterTokenizer(["cab", text]));
  expect(tokenizer.encode(text)).toHaveLength([...text].length);
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  const letters = tokenizer.encode("abc");
  expect(letters).toEqual([letters[0], letters[0]! + 1, letters[0]! + 2]);
});

test("unknown characters are left out", () => {
  const tokenizer = opened(characterTokenizer(["ab"]));
  expect(tokenizer.encode("a?b")).toEqual([0, 1]);
  expect([tokenizer.eos, tokenizer.vocabSize]).toEqual([2, 3]);
});

test("bytes: a token's id is the byte, and every text can be decoded", () => {
  const tokenizer = opened(byteTokenizer());
  expect(tokenizer.encode(text)).toEqual([...Buffer.from(text)]);
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  expect([tokenizer.eos, tokenizer.vocabSize, tokenizer.addBos]).toEqual([256, 257, false]);
});
