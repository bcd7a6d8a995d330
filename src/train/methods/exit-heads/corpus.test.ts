import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../weights/sources/helpers.testing.ts";
import { corpusOf, documentsOf, parts } from "./corpus.ts";

/** Each document repeats one letter; 0 is the end token. */
const tokenizer = {
  encode: (text: string) => [...text].map((c) => c.charCodeAt(0)),
  addBos: false,
  bos: undefined,
  eos: 0,
};
const how = { tokens: 1e6, block: 8, seed: 0 };
const letters = (block: Int32Array) => [...block].filter((id) => id !== 0).map((id) => String.fromCharCode(id));

test("a document is in one part only, and most documents are for training", () => {
  const documents = Array.from({ length: 20 }, (_, i) => String.fromCharCode(65 + i).repeat(30 + i));
  const { blocks, ranges, block } = corpusOf(documents, tokenizer, how);
  const of = parts.map((part) => new Set(blocks.slice(...ranges[part]).flatMap(letters)));
  expect(new Set(of.flatMap((set) => [...set])).size).toBe(of.reduce((sum, set) => sum + set.size, 0));
  const rows = parts.map((part) => ranges[part][1] - ranges[part][0]);
  expect(rows[0]! / blocks.length).toBeCloseTo(0.7, 1);
  expect(rows.every((count) => count > 0)).toBe(true);
  expect(blocks.every(({ length }) => length === block + 1)).toBe(true);
});

test("a row's last target is the token that begins the next", () => {
  const { blocks } = corpusOf(["abcdefghij".repeat(40)], tokenizer, how);
  for (const [i, row] of blocks.slice(0, 20).entries()) expect(row.at(-1)).toBe(blocks[i + 1]![0]);
});

test("tokens are limited, and the hash covers the tokens that are read", () => {
  const documents = ["a".repeat(500), "b".repeat(500), "c".repeat(500)];
  const all = corpusOf(documents, tokenizer, how);
  const some = corpusOf(documents, tokenizer, { ...how, tokens: 700 });
  expect(some.blocks.length).toBeLessThan(all.blocks.length);
  expect(some.sha256).not.toBe(all.sha256);
  expect(corpusOf(documents, tokenizer, how).sha256).toBe(all.sha256);
});

test("JSON lines have a document each, other files are one document; a line without a text is named", () => {
  const folder = tempFolder();
  const at = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const files = [at("a.ts", "let a;"), at("b.jsonl", '{"text":"one"}\n{"text":"two","path":"x"}\n'), at("c.md", " \n")];
  expect(documentsOf(files)).toEqual(["let a;", "one", "two"]);
  expect(() => documentsOf([at("d.jsonl", '{"text":"one"}\n{"prompt":"two"}\n')])).toThrow(
    /d\.jsonl: line 2: "text": expected string/,
  );
});
