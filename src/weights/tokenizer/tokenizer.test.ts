import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { byteSource } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

const specialTokens = ["<s>", "</s>", "<|eot_id|>", "<|tool|>"];
const ids = { bos: 256, eos: 257 };
const tiny = new Tokenizer(byteSource(specialTokens, ids));
const bytes = (text: string) => [...Buffer.from(text)];

describe("encode", () => {
  test("special tokens are plain text, unless a template wrote them", () => {
    expect(tiny.encode("a<s>b")).toEqual(bytes("a<s>b"));
    expect(tiny.encode("a<s>b</s>", { special: true })).toEqual([97, 256, 98, 257]);
    expect(tiny.encode("<s", { special: true })).toEqual(bytes("<s"));
  });

  test("the empty text has no ids", () => {
    expect(tiny.encode("")).toEqual([]);
    expect(tiny.encode("", { special: true })).toEqual([]);
  });

  test("a lone surrogate counts as U+FFFD", () => {
    for (const text of ["a\ud800b", "\udc00", "\ud83d \ude00", "x\ud800"]) {
      expect(tiny.encode(text)).toEqual(bytes(text.replace(/[\ud800-\udfff]/g, "\ufffd")));
    }
  });

  test("merges apply by rank, the left one first, within words only", () => {
    const source = byteSource();
    const tokens = [...source.tokens, "bc", "ab", "abc", "aa", "Ġa"];
    const merged = new Tokenizer({
      ...source,
      tokens,
      tokenTypes: undefined,
      merges: ["b c", "a b", "a bc", "a a", "Ġ a"],
    });
    expect(merged.encode("abc")).toEqual([258]);
    expect(merged.encode("ab")).toEqual([257]);
    expect(merged.encode("aaa")).toEqual([259, 97]);
    expect(merged.encode("a a")).toEqual([97, 260]);
    expect(merged.encode("abc1abc")).toEqual([258, 49, 258]);
  });

  test("a merge's right half may be any text, an object's own names too", () => {
    const source = byteSource();
    const words = ["__", "__p", "proto", "pr", "oto", "ot", '"\\'];
    const merges = ["_ _", "p r", "o t", "ot o", "pr oto", "__ p", '" \\'];
    const merged = new Tokenizer({ ...source, tokens: [...source.tokens, ...words], tokenTypes: undefined, merges });
    expect(merged.encode("__")).toEqual([256]);
    expect(merged.encode('"\\')).toEqual([262]);
    expect(merged.decode(merged.encode("__proto__ constructor"))).toBe("__proto__ constructor");
  });

  test("Gemma 4's merges go over spaces, and what has no token is its bytes", () => {
    const pieces = [
      "a",
      "b",
      "▁",
      "▁a",
      "▁ab",
      "ab",
      "\n",
      "\n\n",
      ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
    ];
    const merges = ["\n \n", "▁ a", "▁a b", "a b"];
    const source = { ...byteSource(), model: "gemma4", pre: undefined, tokens: pieces, tokenTypes: undefined, merges };
    const gemma = new Tokenizer({ ...source, addSpacePrefix: false });
    expect(gemma.encode("ab ab\n\n\nb")).toEqual([5, 4, 7, 6, 1]);
    expect(gemma.encode("é")).toEqual([8 + 0xc3, 8 + 0xa9]);
    expect(gemma.decode(gemma.encode("ab  ab é"))).toBe("ab  ab é");
  });

  test("a word that is a token is taken whole where the pre-tokenizer says so", () => {
    const source = byteSource();
    const tokens = [...source.tokens, "ab", "abc"];
    const of = (pre: string) => new Tokenizer({ ...source, pre, tokens, tokenTypes: undefined, merges: ["a b"] });
    expect(of("llama-bpe").encode("abc")).toEqual([257]);
    expect(of("qwen2").encode("abc")).toEqual([256, 99]);
  });

  test("a user-defined token is found in any text, and shown", () => {
    const source = byteSource(["<s>", "<think>"]);
    const tokenTypes = Array.from(source.tokenTypes!, (type, id) => (id === 257 ? 4 : type));
    const tokenizer = new Tokenizer({ ...source, tokenTypes });
    expect(tokenizer.encode("a<think><s>")).toEqual([97, 257, ...bytes("<s>")]);
    expect(tokenizer.encode("<s><think>a", { special: true })).toEqual([256, 257, 97]);
    expect(tokenizer.decode([256, 257, 97])).toBe("<think>a");
  });
});

describe("decode", () => {
  test("special tokens are left out", () => {
    expect(tiny.decode([256, 104, 105, 258, 33, 257])).toBe("hi!");
    expect(tiny.decode([])).toBe("");
  });

  test("a character whose bytes a special token parts is whole, as in transformers", () => {
    const [first, ...rest] = bytes("é");
    expect(tiny.decode([first!, 259, ...rest])).toBe("é");
  });

  test("bytes of any token", () => {
    expect([...tiny.bytes(0xe9)]).toEqual([0xe9]);
    expect([...tiny.bytes(258)]).toEqual(bytes("<|eot_id|>"));
    expect(tiny.bytes(260)).toEqual(new Uint8Array());
    expect(() => tiny.text(260)).toThrow("token 260 is outside the vocabulary of 260 tokens");
    expect(() => tiny.decode([-1])).toThrow(RangeError);
  });
});

describe("special tokens", () => {
  test("answers end at eos, and at what is named like an end", () => {
    expect([...tiny.stopIds].sort()).toEqual([257, 258]);
    expect([...new Tokenizer(byteSource(["x", "y", "</s>"], { eos: 256, eot: 257 })).stopIds].sort()).toEqual([
      256, 257, 258,
    ]);
  });

  test("a plain token that is named like an end is none", () => {
    const source = byteSource(["</s>"]);
    expect([...new Tokenizer({ ...source, tokenTypes: undefined }).stopIds]).toEqual([]);
  });

  test("a token of a role is special whatever its type", () => {
    const source = byteSource(["<s>", "</s>"], ids);
    const tokenizer = new Tokenizer({ ...source, tokenTypes: undefined });
    expect(tokenizer.specialTokens).toEqual(["<s>", "</s>"]);
    expect(tokenizer.decode([256, 97, 257])).toBe("a");
  });
});

describe("refused in one sentence", () => {
  test.each([
    [
      { model: "rwkv" },
      'tiny.gguf: tokenizers of kind "rwkv" (tokenizer.ggml.model) are not supported, expected one of gpt2, llama, gemma4, t5, bert',
    ],
    [{ model: "gemma4", merges: undefined }, 'tiny.gguf: metadata "tokenizer.ggml.merges" is missing'],
    [{ model: "llama" }, 'tiny.gguf: metadata "tokenizer.ggml.scores" is missing'],
    [{ model: "llama", scores: [1] }, "tiny.gguf: tokenizer.ggml.scores has 1 entries for 256 tokens"],
    [{ model: "bert" }, 'tiny.gguf: metadata "tokenizer.ggml.unknown_token_id" is missing'],
    [
      { pre: "deepseek-llama" },
      'tiny.gguf: the pre-tokenizer "deepseek-llama" (tokenizer.ggml.pre) is not supported; did you mean "deepseek-llm"?',
    ],
    [
      { pre: "smolm" },
      'tiny.gguf: the pre-tokenizer "smolm" (tokenizer.ggml.pre) is not supported; did you mean "smollm"?',
    ],
    [
      { pre: "__proto__" },
      'tiny.gguf: the pre-tokenizer "__proto__" (tokenizer.ggml.pre) is not supported; expected one of "smollm", "starcoder", "refact" and 60 more',
    ],
    [{ pre: undefined }, 'tiny.gguf: metadata "tokenizer.ggml.pre" is missing'],
    [{ merges: undefined }, 'tiny.gguf: metadata "tokenizer.ggml.merges" is missing'],
    [{ tokenTypes: [1, 1] }, "tiny.gguf: tokenizer.ggml.token_type has 2 entries for 256 tokens"],
    [{ eos: 256 }, "tiny.gguf: the tokenizer's eos is token 256, but there are only 256 tokens"],
    [{ pad: -1 }, "tiny.gguf: the tokenizer's pad is token -1, but there are only 256 tokens"],
  ])("%j", (rest, message) => {
    expect(() => new Tokenizer(byteSource([], rest))).toThrow(new UserError(message));
  });
});
