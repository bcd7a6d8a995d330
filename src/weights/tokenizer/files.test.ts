import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../checkpoint.ts";
import { ggufFiles, type TokenizerFiles, tokenizerFilesOf } from "./files.ts";
import { fromFolder, Tokenizer, type TokenizerSource } from "./index.ts";
import { byteSource, fixture } from "./tokenizer.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

function opened(files: TokenizerFiles): Tokenizer {
  const here = mkdtempSync(path.join(folder, "made-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(here, name), text);
  return new Tokenizer(fromFolder(here));
}

const texts = [...fixture<string[]>("texts"), "theater: <|end|> 2024<s>  the\n\n<x>"];
const merges = ["t h", "th e", "Ġ the", "2 0", "Ċ Ċ"];
const merged = ["th", "the", "Ġthe", "20", "ĊĊ"];

const source = (rest: Partial<TokenizerSource>): TokenizerSource => {
  const { tokens, tokenTypes, ...bytes } = byteSource(["<s>", "<|end|>", "<x>"], { merges });
  const types = [...Array.from(tokenTypes!), ...merged.map(() => 1)];
  types[258] = 4;
  return { ...bytes, tokens: [...tokens, ...merged], tokenTypes: types, bos: 256, eos: 257, ...rest };
};

describe.each([
  { pre: "smollm" },
  { pre: "llama-bpe", chatTemplate: "{{ bos_token }}{{ messages[0].content }}" },
  { pre: "qwen2", addBos: true, eot: 256 },
  { pre: "deepseek-v3", addBos: true, addEos: true, addSep: true, pad: 257 },
])("a GGUF's tokenizer as files: $pre", (rest) => {
  const original = new Tokenizer(source(rest));
  const written = opened(ggufFiles(source(rest)));

  test("has the same ids for every text, and around it", () => {
    const different = texts.filter((text) => written.encode(text).join() !== original.encode(text).join());
    expect(different).toEqual([]);
    expect(written.input("a", { pair: "b" })).toEqual(original.input("a", { pair: "b" }));
    expect(written.encode("the<s>", { special: true })).toEqual(original.encode("the<s>", { special: true }));
  });

  test("has the same tokens, roles, ends and template", () => {
    const facts = (t: Tokenizer) => ({
      ...{ size: t.vocabSize, bos: t.bos, eos: t.eos, pad: t.pad, addBos: t.addBos, chat: t.chatTemplate },
      ...{ special: t.specialTokens.toSorted(), stops: [...t.stopIds].toSorted() },
      texts: Array.from({ length: t.vocabSize }, (_, id) => t.text(id)),
    });
    expect(facts(written)).toEqual(facts(original));
    expect(written.decode(original.encode(texts.at(-1)!))).toBe(texts.at(-1));
  });
});

test("Hugging Face's tokenizers refuse a split that does not say if it is inverted", () => {
  const { pre_tokenizer } = JSON.parse(ggufFiles(source({ pre: "qwen2" }))["tokenizer.json"]!);
  expect(pre_tokenizer.pretokenizers[0]).toMatchObject({ type: "Split", behavior: "Isolated", invert: false });
});

test("a GGUF's tokenizer of another kind: one sentence", () => {
  expect(() => ggufFiles({ ...source({}), model: "t5" })).toThrow(
    'tiny.gguf: its tokenizer is of kind "t5"; only byte-level BPE ("gpt2") and SentencePiece\'s BPE ("llama") can be converted',
  );
});

test("a folder's files are taken as they are, its configuration left out", () => {
  const here = mkdtempSync(path.join(folder, "model-"));
  const files = { "tokenizer.json": "{}", "vocab.txt": "ä\n", "chat_template.jinja": "{{ x }}" };
  const others = { "config.json": "{}", "README.md": "", "tokenizer.model": "\0" };
  for (const [name, text] of Object.entries({ ...files, ...others })) writeFileSync(path.join(here, name), text);
  const checkpoint = openCheckpoint(fileURLToPath(new URL("../../models/fixtures/gpt2", import.meta.url)));
  const config = { kind: "huggingface" as const, path: path.join(here, "config.json"), config: {} };
  expect(tokenizerFilesOf({ ...checkpoint, config })).toEqual(files);
});
