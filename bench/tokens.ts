import { readFileSync } from "node:fs";
import type { Model } from "../src/index.ts";

const fixture = new URL("../src/models/fixtures/smollm2.json", import.meta.url);

/**
 * `count` token ids of real text in SmolLM2's vocabulary, repeated if the text ends. Larger vocabularies have these ids
 * as well.
 */
export function realTokens(count: number): number[] {
  const { nll } = JSON.parse(readFileSync(fixture, "utf8")) as { nll: { tokens: number[] } };
  return Array.from({ length: count }, (_, i) => nll.tokens[i % nll.tokens.length]!);
}

/** `count` tokens of real text without repetition: the project's licence, documents and some sources in sequence. */
export function bookTokens(model: Model, count: number): number[] {
  const { tokenizer } = model.language;
  const root = new URL("..", import.meta.url);
  const texts = [
    "LICENSE",
    "README.md",
    "docs/walk.md",
    "docs/log.md",
    "src/engine/decode/answer/generate.ts",
    "src/graph/op.ts",
    "src/savings/attention/xattention/select.ts",
  ];
  const tokens: number[] = [];
  for (const text of texts)
    if (tokens.length < count) tokens.push(...tokenizer.encode(readFileSync(new URL(text, root), "utf8")));
  if (tokens.length < count) throw new Error(`the texts have ${tokens.length} tokens, but ${count} are needed`);
  return tokens.slice(0, count);
}
