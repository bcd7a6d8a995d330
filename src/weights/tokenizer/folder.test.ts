import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { encodeChat } from "./chat.ts";
import { fromFolder } from "./folder.ts";
import { Tokenizer } from "./tokenizer.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === "string" ? value : JSON.stringify(value));

const least = {
  added_tokens: [
    { id: 3, content: "<s>", special: true },
    { id: 4, content: "</s>", special: true, rstrip: true },
    { id: 5, content: "<think>" },
  ],
  normalizer: null,
  pre_tokenizer: { type: "WhitespaceSplit" },
  post_processor: null,
  decoder: null,
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
};
const model = (rest: object) => ({ ...least, model: { ...least.model, ...rest } });

test("special and added tokens, roles from tokenizer_config.json, ends from generation_config.json", () => {
  write("tokenizer.json", least);
  write("tokenizer_config.json", { bos_token: { content: "<s>" }, eos_token: "</s>", add_bos_token: true });
  write("generation_config.json", { eos_token_id: [4, 2] });
  const tokenizer = new Tokenizer(fromFolder(folder, 6));
  expect(tokenizer.encode("ab <think> b")).toEqual([2, 5, 1]);
  expect(tokenizer.input("a").ids).toEqual([3, 0]);
  expect(tokenizer).toMatchObject({ bos: 3, eos: 4, addBos: true, vocabSize: 6, specialTokens: ["<s>", "</s>"] });
  expect([...tokenizer.stopIds].sort()).toEqual([2, 4]);
});

test.each([
  [
    ["</s>", "<|end|>", "<|call|>"],
    ["</s>", "<|end|>"],
  ],
  [
    ["<|return|>", "<|end|>", "<|call|>", "<|channel|>", "<|endoftext|>"],
    ["<|return|>", "<|call|>", "<|endoftext|>"],
  ],
])("of the special tokens %j, answers end with %j: in harmony, a message ends before its answer", (special, ends) => {
  const added = special.map((content, i) => ({ id: 3 + i, content, special: true }));
  write("tokenizer.json", { ...least, added_tokens: added });
  write("tokenizer_config.json", { eos_token: special[0] });
  const tokenizer = new Tokenizer(fromFolder(folder));
  expect([...tokenizer.stopIds].map((id) => tokenizer.text(id)).sort()).toEqual([...ends].sort());
});

test("white space behind a special token that strips it is not read", () => {
  write("tokenizer.json", {
    ...least,
    pre_tokenizer: null,
    model: { ...least.model, vocab: { a: 0, b: 1, ab: 2, " ": 6 } },
  });
  const tokenizer = new Tokenizer(fromFolder(folder));
  expect(tokenizer.encode("<s> a</s>  b", { special: true })).toEqual([3, 6, 0, 4, 1]);
});

test("special_tokens_map.json where tokenizer_config.json is silent", () => {
  write("tokenizer.json", least);
  write("special_tokens_map.json", { eos_token: "</s>" });
  expect(fromFolder(folder).eos).toBe(4);
});

test("chat_template.jinja first, then chat_template.json, then the template in the configuration; one for tools by its name", () => {
  write("tokenizer.json", least);
  write("tokenizer_config.json", {
    chat_template: [
      { name: "default", template: "a" },
      { name: "tool_use", template: "b" },
    ],
  });
  const tokenizer = new Tokenizer(fromFolder(folder));
  expect(encodeChat(tokenizer, [], { addGenerationPrompt: true })).toEqual([0]);
  expect(encodeChat(tokenizer, [], { addGenerationPrompt: true, tools: [{ type: "function" }] })).toEqual([1]);
  write("chat_template.json", { chat_template: "b" });
  expect(encodeChat(new Tokenizer(fromFolder(folder)), [], { addGenerationPrompt: true })).toEqual([1]);
  write("chat_template.jinja", "ab");
  expect(encodeChat(new Tokenizer(fromFolder(folder)), [], { addGenerationPrompt: true })).toEqual([2]);
});

test.each([
  ["a folder", "this is not a file", () => mkdirSync(join(folder, "chat_template.jinja"))],
  [
    "very long",
    "1048577 bytes are too many for a chat template",
    () => write("chat_template.jinja", " ".repeat(2 ** 20 + 1)),
  ],
])("a chat_template.jinja that is %s", (_, problem, make) => {
  write("tokenizer.json", least);
  make();
  expect(() => fromFolder(folder)).toThrow(new UserError(`${join(folder, "chat_template.jinja")}: ${problem}`));
});

test("inputs are cut to a limit, the longer text first", () => {
  write("tokenizer.json", { ...least, post_processor: { type: "BertProcessing", cls: ["<s>", 3], sep: ["</s>", 4] } });
  const tokenizer = new Tokenizer(fromFolder(folder));
  expect(tokenizer.input("a b a b", { limit: 4 })).toEqual({ ids: [3, 0, 1, 4], types: [0, 0, 0, 0] });
  const cut = tokenizer.input("a b a b", { pair: "b", limit: 6 });
  expect(cut).toEqual({ ids: [3, 0, 1, 4, 1, 4], types: [0, 0, 0, 0, 1, 1] });
});

test("added tokens that the model has no weights for are left out", () => {
  write("tokenizer.json", least);
  const tokenizer = new Tokenizer(fromFolder(folder, 5));
  expect(tokenizer.vocabSize).toBe(5);
  expect(tokenizer.encode("<think>")).toEqual([]);
});

describe("what is broken is one sentence", () => {
  test.each<[string, unknown, string]>([
    ["no JSON", "{", "this is not JSON"],
    ["no object", [], "expected object, got []"],
    ["no model", { ...least, model: null }, "expected object, got null"],
    [
      "an unknown model",
      model({ type: "WordPeice" }),
      'the model "WordPeice" is not supported; did you mean "WordPiece"?',
    ],
    [
      "an unknown normalizer",
      { ...least, normalizer: { type: "Nmt" } },
      'the normalizer "Nmt" is not supported; did you mean',
    ],
    [
      "no pattern",
      { ...least, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
      "is not a regular expression",
    ],
    [
      "an unknown way to split",
      { ...least, pre_tokenizer: { type: "Split", pattern: { String: "x" }, behavior: "Odd" } },
      '"behavior": ',
    ],
    ["no vocabulary", model({ vocab: ["a"] }), '"vocab": expected an object of token texts and ids'],
    [
      "an id that is no number",
      model({ vocab: { a: "0" } }),
      '"vocab" has "a" with the id "0", expected a whole number',
    ],
    ["an absurd id", model({ vocab: { a: 1e9 } }), '"vocab" has "a" with the id 1000000000, expected a whole number'],
    ["an id twice", model({ vocab: { a: 0, b: 0 } }), '"vocab" gives the id 0 to both "a" and "b"'],
    [
      "a merge of unknown tokens",
      model({ merges: ["a b", "ab c"] }),
      'merge 1 has "c", which is not in the vocabulary',
    ],
    ["an invalid merge", model({ merges: ["ab"] }), 'merge 0 is "ab", expected two tokens'],
    [
      "an unknown token that is unknown",
      model({ unk_token: "<unk>" }),
      '"unk_token" is "<unk>", which is not in "vocab"',
    ],
    [
      "a post-processor",
      { ...least, post_processor: { type: "X" } },
      'the post-processor "X" is not supported, expected one of',
    ],
    ["a decoder", { ...least, decoder: { type: "CTC" } }, 'the decoder "CTC" is not supported, expected one of'],
  ])("%s", (_, file, message) => {
    write("tokenizer.json", file);
    const read = () => fromFolder(folder);
    expect(read).toThrow(UserError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^\S+tokenizer\.json: [^\n]+$/);
  });

  test("a vocabulary larger than the model's", () => {
    write("tokenizer.json", least);
    expect(() => fromFolder(folder, 2)).toThrow(
      'it has "ab" as token 2, but the model\'s vocabulary has only 2 tokens',
    );
  });

  test("a folder where the file should be", () => {
    mkdirSync(join(folder, "tokenizer.json"));
    expect(() => fromFolder(folder)).toThrow(/^\S+tokenizer\.json: this is not a file$/);
  });

  test("no tokenizer.json, and a broken tokenizer_config.json", () => {
    expect(() => fromFolder(folder)).toThrow("tokenizer.json: there is no such file, expected the model's tokenizer");
    write("tokenizer.json", least);
    write("tokenizer_config.json", { eos_token: 5 });
    expect(() => fromFolder(folder)).toThrow(/tokenizer_config\.json: "eos_token": .+$/);
  });
});
