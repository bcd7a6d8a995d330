import { readFileSync } from "node:fs";

const fixture = new URL("../src/models/fixtures/smollm2.json", import.meta.url);

/** `count` token ids of real text in SmolLM2's vocabulary, over again when the text ends. Ids that larger vocabularies have too. */
export function realTokens(count: number): number[] {
  const { nll } = JSON.parse(readFileSync(fixture, "utf8")) as { nll: { tokens: number[] } };
  return Array.from({ length: count }, (_, i) => nll.tokens[i % nll.tokens.length]!);
}
