import type { Part } from "./answers.ts";

/** The `n` best of each prompt's `drawn` answers; those of one prompt are adjacent, and have log-probabilities. */
export function bestOf(choices: readonly Part[][], n: number, drawn: number): Part[][] {
  if (n === drawn) return [...choices];
  const prompts = Array.from({ length: choices.length / drawn }, (_, i) => choices.slice(i * drawn, (i + 1) * drawn));
  return prompts.flatMap((answers) => answers.toSorted((a, b) => meanLogprob(b) - meanLogprob(a)).slice(0, n));
}

/** The mean over an answer's tokens, including the one that ended it. */
function meanLogprob(parts: readonly Part[]): number {
  const each = parts.flatMap(({ tokens }) => tokens.map(({ logprob }) => logprob!));
  return each.reduce((sum, logprob) => sum + logprob, 0) / Math.max(1, each.length);
}
