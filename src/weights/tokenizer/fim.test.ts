import { expect, test } from "vitest";
import { byteSource } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

test.each([
  ["Qwen2.5-Coder's", ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"], [256, 258, 257]],
  ["StarCoder's", ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"], [256, 258, 257]],
  ["Code Llama's", ["▁<PRE>", "▁<SUF>", "▁<MID>"], [256, 257, 258]],
])("tokens for what is to be filled in are known by their names: %s", (_, names, [prefix, suffix, middle]) => {
  expect(new Tokenizer(byteSource(names)).fim).toEqual({ prefix, suffix, middle });
});

test("or as the file names them; not where one is missing", () => {
  const file = { fimPrefix: 5, fimSuffix: 6, fimMiddle: 7 };
  expect(new Tokenizer(byteSource([], file)).fim).toEqual({ prefix: 5, suffix: 6, middle: 7 });
  expect(new Tokenizer(byteSource(["<fim_prefix>", "<fim_suffix>"])).fim).toBeUndefined();
  expect(() => new Tokenizer(byteSource([], { ...file, fimMiddle: 999 }))).toThrow(/fimMiddle is token 999/);
});
