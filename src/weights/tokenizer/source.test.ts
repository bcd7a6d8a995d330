import { expect, test } from "vitest";
import { type Field, memorySource, writeGguf } from "../gguf/gguf.testing.ts";
import { parseGguf } from "../gguf/header.ts";
import { fromGguf } from "./source.ts";
import { Tokenizer } from "./tokenizer.ts";

const source = (metadata: Record<string, Field>) => fromGguf(parseGguf(memorySource(writeGguf({ metadata }))).metadata);

const least: Record<string, Field> = {
  "tokenizer.ggml.model": ["string", "gpt2"],
  "tokenizer.ggml.tokens": ["array", "string", ["a", "b", "ab", "<s>"]],
};

test("every field, under GGUF's names", () => {
  const full = source({
    ...least,
    "tokenizer.ggml.pre": ["string", "smollm"],
    "tokenizer.ggml.tokens": ["array", "string", ["a", "b", "ab", "<s>", "</s>", "<e>", "<m>", "<c>", "<d>"]],
    "tokenizer.ggml.token_type": ["array", "int32", [1, 1, 1, 3, 3, 3, 3, 3, 3]],
    "tokenizer.ggml.scores": ["array", "float32", [0, -1, -2, 0, 0, 0, 0, 0, 0]],
    "tokenizer.ggml.merges": ["array", "string", ["a b"]],
    "tokenizer.ggml.bos_token_id": ["uint32", 3],
    "tokenizer.ggml.eos_token_id": ["uint32", 4],
    "tokenizer.ggml.padding_token_id": ["uint32", 2],
    "tokenizer.ggml.unknown_token_id": ["uint32", 3],
    "tokenizer.ggml.mask_token_id": ["uint32", 6],
    "tokenizer.ggml.cls_token_id": ["uint32", 7],
    "tokenizer.ggml.seperator_token_id": ["uint32", 8],
    "tokenizer.ggml.eot_token_id": ["uint32", 5],
    "tokenizer.ggml.eom_token_id": ["uint32", 6],
    "tokenizer.ggml.add_bos_token": ["bool", true],
    "tokenizer.ggml.add_eos_token": ["bool", false],
    "tokenizer.ggml.add_space_prefix": ["bool", false],
    "tokenizer.chat_template": ["string", "{{ messages }}"],
  });
  expect(full).toEqual({
    path: full.path,
    model: "gpt2",
    pre: "smollm",
    tokens: ["a", "b", "ab", "<s>", "</s>", "<e>", "<m>", "<c>", "<d>"],
    tokenTypes: new Int32Array([1, 1, 1, 3, 3, 3, 3, 3, 3]),
    scores: new Float32Array([0, -1, -2, 0, 0, 0, 0, 0, 0]),
    merges: ["a b"],
    bos: 3,
    eos: 4,
    pad: 2,
    unk: 3,
    mask: 6,
    cls: 7,
    sep: 8,
    eot: 5,
    eom: 6,
    addBos: true,
    addEos: false,
    addSpacePrefix: false,
    chatTemplate: "{{ messages }}",
  });
  expect(new Tokenizer(full).encode("ab")).toEqual([2]);
});

test("what a file does not say is undefined", () => {
  const { path, ...rest } = source(least);
  expect(rest).toEqual({ model: "gpt2", tokens: ["a", "b", "ab", "<s>"] });
});

test("a missing vocabulary and a value of the wrong type are refused by name", () => {
  expect(() => source({})).toThrow('metadata "tokenizer.ggml.model" is missing');
  expect(() => source({ "tokenizer.ggml.model": ["string", "gpt2"] })).toThrow('"tokenizer.ggml.tokens" is missing');
  expect(() => source({ ...least, "tokenizer.ggml.eos_token_id": ["string", "x"] })).toThrow(
    'metadata "tokenizer.ggml.eos_token_id" is a string, expected an integer',
  );
});

test("another kind of tokenizer is refused by its kind, though it has no merges", () => {
  const rwkv = source({ ...least, "tokenizer.ggml.model": ["string", "rwkv"] });
  expect(() => new Tokenizer(rwkv)).toThrow(/^[^:]+: tokenizers of kind "rwkv"/);
});
