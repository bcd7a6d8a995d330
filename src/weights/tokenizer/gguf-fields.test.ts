import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { ggufFiles } from "./files.ts";
import { ggufTokenizer } from "./gguf-fields.ts";
import { presetName, presetOf } from "./presets.ts";
import type { TokenizerSource } from "./source.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-tokenizer-fields-"));
afterAll(() => rmSync(root, { recursive: true }));

/** One name for each preset. */
const presets = [
  ...["smollm", "command-r", "gpt-2", "olmo", "qwen2", "stablelm2", "qwen35", "llama-bpe", "dbrx", "gpt-4o", "tekken"],
  ...["falcon", "bloom", "viking", "seed-coder", "deepseek-llm", "deepseek-coder", "deepseek-v3"],
];

test.each(presets)("%s is told by how it splits texts", (pre) => {
  expect(presetName(presetOf({ path: "test.gguf", pre }))).toBe(pre);
});

test("a split that GGUF has no name for", () => {
  expect(presetName({ preTokenizer: (word) => [word] })).toBeUndefined();
});

const source: TokenizerSource = {
  path: "test.gguf",
  model: "gpt2",
  pre: "qwen2",
  tokens: ["a", "b", "ab", "<|im_end|>", "<|endoftext|>", "<tool>"],
  tokenTypes: Int32Array.of(1, 1, 1, 3, 3, 4),
  merges: ["a b"],
  eos: 3,
  pad: 4,
  addBos: false,
  chatTemplate: "{{ messages[0].content }}",
};

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(root, "folder-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

test("a tokenizer goes from a GGUF to a folder and back; the model's further rows are padding", () => {
  const fields = ggufTokenizer(folderOf(ggufFiles(source)), 8);
  const field = (name: string) => fields.get(`tokenizer.ggml.${name}`);
  expect(field("pre")).toEqual(["string", "qwen2"]);
  expect(field("tokens")).toEqual(["array", "string", [...source.tokens, "[PAD6]", "[PAD7]"]]);
  expect(field("token_type")).toEqual(["array", "int32", [1, 1, 1, 3, 3, 4, 5, 5]]);
  expect(field("merges")).toEqual(["array", "string", ["a b"]]);
  expect(field("eos_token_id")).toEqual(["uint32", 3]);
  expect(field("padding_token_id")).toEqual(["uint32", 4]);
  // llama.cpp recognises `<|endoftext|>` by its text.
  expect(field("eot_token_id")).toBeUndefined();
  expect(field("add_bos_token")).toEqual(["bool", false]);
  expect(fields.get("tokenizer.chat_template")).toEqual(["string", source.chatTemplate]);
});

test.each([
  [{ model: { type: "Unigram", vocab: [["a", 0]] } }, /only byte-level BPE can be written into a GGUF, got Unigram/],
  [{ model: { type: "BPE", byte_fallback: true, vocab: { a: 0 }, merges: [] } }, /got BPE with byte fallback/],
  [{ pre_tokenizer: null }, /GGUF has no name for this tokenizer/],
])("%j is refused in one sentence", (changed, says) => {
  const files = ggufFiles(source);
  const tokenizer = { ...JSON.parse(files["tokenizer.json"]!), ...changed, added_tokens: [], post_processor: null };
  const folder = folderOf({ "tokenizer.json": JSON.stringify(tokenizer) });
  expect(() => ggufTokenizer(folder, 8)).toThrow(says);
});
