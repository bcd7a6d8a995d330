import { expect, test } from "vitest";
import { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";
import { thinkForm } from "../channels/think.ts";
import { grammarOf } from "./index.ts";

const source = byteSource();
/** A token that both ends the reasoning and begins the text. */
const BOTH = 256;
const tokenizer = new Tokenizer({
  ...source,
  tokens: [...source.tokens, '</think>{"'],
  tokenTypes: [...Array.from(source.tokenTypes!), 1],
});

test("text in the token that ends the reasoning is the beginning of what is held to the format", async () => {
  const grammar = await grammarOf(
    { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
    tokenizer,
  );
  const hold = grammar.hold(tokenizer, undefined, thinkForm(tokenizer, "<think>", ""));
  for (const token of [...tokenizer.encode("why"), BOTH]) hold.accept(token);
  const logits = new Float32Array(tokenizer.vocabSize);
  hold.restrict(logits);
  const allowed = (text: string) => logits[tokenizer.encode(text)[0]!] === 0;
  expect([allowed("a"), allowed("{"), allowed('"')]).toEqual([true, false, false]);
});
