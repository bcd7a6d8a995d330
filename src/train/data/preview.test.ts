import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { tokensIn } from "./batch.ts";
import { type DataOptions, openData } from "./open.ts";
import { previewOf } from "./preview.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-preview-"));
afterAll(() => rmSync(folder, { recursive: true }));
const CHATML =
  "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
const tokenizer = new Tokenizer(byteSource(["</s>"], { eos: 256, chatTemplate: CHATML }));

const lines = [
  { prompt: "Wie heißt", completion: " er?" },
  {
    messages: [
      { role: "user", content: "a" },
      { role: "assistant", content: "é" },
    ],
  },
  { text: "all" },
  { text: "fourth" },
];
const file = path.join(folder, "a.jsonl");
writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
const usual: DataOptions = { files: [file], validation: 0, tokens: 32, rows: 4, packing: false, labels: "answers" };

const shown = [
  "‹Wie heißt› er?</s>",
  "‹user:a\nassistant:›é</s>",
  // No token comes before the first one, so nothing could predict it.
  "‹a›ll</s>",
  "‹f›ourth</s>",
];

test.each([false, true])("packing %s: three samples, with marks around what the loss does not count", (packing) => {
  const data = openData({ ...usual, packing }, tokenizer, 0);
  const preview = previewOf(data, tokenizer);
  expect(previewOf(openData({ ...usual, packing, rows: 1 }, tokenizer, 0), tokenizer)).toHaveLength(3);
  expect(preview).toHaveLength(3);
  expect(new Set(shown)).toEqual(new Set([...preview, ...shown]));
  const trained = previewOf(openData({ ...usual, packing, labels: "all" }, tokenizer, 0), tokenizer);
  for (const text of trained) expect(text).toMatch(/^‹.›[^‹]+$/);
});

test("the tokens of a batch leave padding out", () => {
  const batch = openData({ ...usual, rows: 6 }, tokenizer, 0).training.batch(0);
  // The bytes of all samples, except each one's last token, which is only predicted.
  expect(tokensIn(batch)).toBe(14 + 20 + 3 + 6);
  expect(batch.rows * batch.tokens).toBe(6 * 32);
});

test("a head over whole texts: each text as it is read, and its label or the document that answers it", () => {
  const ids = Int32Array.from([..."one.two.fourfive"].map((letter) => letter.charCodeAt(0)));
  const batch = { ids, rows: 4, tokens: 4, lengths: Int32Array.of(3, 3, 4, 4), labels: Int32Array.of(1, 0) };
  const data = { ...openData(usual, tokenizer, 0).training, batch: () => ({ ...batch, labelled: 2, samples: 2 }) };
  const shownBy = (head: Parameters<typeof previewOf>[0]["head"]) =>
    previewOf({ training: data, ...(head && { head }) }, tokenizer);
  expect(shownBy({ kind: "classes", labels: ["odd", "even"] })).toEqual(["one → even", "two → odd"]);
  expect(shownBy({ kind: "embedding" })).toEqual(["one → five", "two → four"]);
});
