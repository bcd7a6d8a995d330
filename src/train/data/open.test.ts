import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { type DataOptions, droppedSentence, openData } from "./open.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-data-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tokenizer = new Tokenizer(byteSource(["</s>"], { eos: 256 }));
const EOS = 256;

function file(name: string, contents: string | Uint8Array): string {
  const place = path.join(folder, name);
  writeFileSync(place, contents);
  return place;
}
const usual: Omit<DataOptions, "files"> = { validation: 0.1, tokens: 256, rows: 8, packing: false, labels: "answers" };
const open = (options: Partial<DataOptions> & { files: readonly string[] }, seed = 0) =>
  openData({ ...usual, ...options }, tokenizer, seed);
const lines = (count: number) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ text: `${i}`.padStart(3) })).join("\n");

test("text: the last share is held out, in order", () => {
  const { training, heldOut } = open({ files: [file("a.txt", `${"x".repeat(90)}abcdefghij`)], tokens: 4, rows: 1 });
  expect(heldOut!.batches).toBe(2);
  expect(Buffer.from(heldOut!.batch(0).ids).toString()).toBe("abcd");
  expect(training.samples).toBe(21);
});

test("a token that ends texts separates several texts", () => {
  const files = [file("b.txt", "ab"), file("c.txt", "cd")];
  const { training, heldOut } = open({ files, tokens: 4, rows: 1, validation: 0 });
  expect([...training.batch(0).ids]).toEqual([97, 98, EOS, 99]);
  expect(heldOut).toBeUndefined();
});

test("samples: a random share is held out, the same for every seed, and never trained on", () => {
  const options = { files: [file("d.jsonl", lines(20))], tokens: 4, rows: 100, validation: 0.25 };
  const [a, b] = [open(options, 1), open(options, 2)];
  const texts = (ids: Int32Array) =>
    Array.from({ length: 20 }, (_, i) => Buffer.from(ids.slice(4 * i, 4 * i + 3)).toString());
  const held = texts(a.heldOut!.batch(0).ids).slice(0, 5);
  expect(texts(b.heldOut!.batch(0).ids).slice(0, 5)).toEqual(held);
  const trained = texts(a.training.batch(0).ids).slice(0, 15);
  expect(new Set([...trained, ...held]).size).toBe(20);
  expect(held).not.toEqual(["  0", "  1", "  2", "  3", "  4"]);
  expect(texts(b.training.batch(0).ids)).not.toEqual(texts(a.training.batch(0).ids));
});

test("held-out data from a separate file; the hash depends on contents", () => {
  const options = { files: [file("e.jsonl", lines(3))], validation: [file("f.jsonl", lines(2))], tokens: 8 };
  const { training, heldOut, hash } = open(options);
  expect([training.samples, heldOut!.samples]).toEqual([3, 2]);
  expect(open(options).hash).toBe(hash);
  expect(open({ ...options, files: [file("g.jsonl", lines(4))] }).hash).not.toBe(hash);
});

test("dropped samples are reported, for both shares together", () => {
  const chat = JSON.stringify({ prompt: "", completion: "" });
  const odd = file("o.jsonl", `${lines(10)}\n${JSON.stringify({ text: "x".repeat(9) })}\n${chat}`);
  const sentenceOf = (files: string[], tokens: number) =>
    droppedSentence(open({ files, tokens, validation: 0.5 }), tokens);
  expect(sentenceOf([odd], 8)).toBe("dropped samples: 1 longer than 8 tokens, 1 without a token to predict");
  expect(sentenceOf([file("p.jsonl", lines(3))], 8)).toBeUndefined();
});

test.each([
  [() => ({ files: [file("h.txt", "")] }), /h\.txt: the text has 0 tokens, expected at least 257/],
  [() => ({ files: [file("i.jsonl", "\n\n")] }), /i\.jsonl: there are no samples$/],
  [
    () => ({ files: [file("j.txt", "x".repeat(2000))], validation: 0.05 }),
    /j\.txt: the held-out share of 0\.05: the text has 1\d\d tokens/,
  ],
  [() => ({ files: [file("k.txt", "a"), file("l.jsonl", "{}")] }), /got both: .*k\.txt and .*l\.jsonl$/],
  [() => ({ files: [file("q.txt", "x".repeat(2000))], packing: true }), /q\.txt: packing is for samples/],
  [() => ({ files: [file("m.txt", Uint8Array.of(0xff, 0xfe))] }), /m\.txt: expected text in UTF-8$/],
  [() => ({ files: [path.join(folder, "none.txt")] }), /none\.txt: there is no such file/],
  [() => ({ files: [file("n.jsonl", `${lines(2)}\n{`)] }), /^[^:]*n\.jsonl: line 3: this is not JSON/],
])("bad data %#: one sentence", (options, sentence) => {
  expect(() => open(options())).toThrow(sentence);
});
