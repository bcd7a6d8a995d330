import type { Body } from "./from-rows.ts";

/** One context and several continuations, each after a space, as in lm-evaluation-harness. */
export const afterSpace = (context: string, choices: readonly string[], gold: number): Body<"choice"> => ({
  choices: choices.map((choice) => ({ context, continuation: ` ${choice}` })),
  gold,
});
