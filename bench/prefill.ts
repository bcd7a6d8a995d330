import type { Child } from "./child.ts";
import type { Bench } from "./harness.ts";
import { engines } from "./sides.ts";
import { realTokens } from "./tokens.ts";

const PROMPT = 512;

/** Measures prefill in tokens per second. */
export async function prefillRate(child: Child): Promise<number> {
  const { seconds } = await child.call("prefill", { tokens: realTokens(PROMPT) });
  return PROMPT / seconds;
}

/** Runs a prompt of 512 tokens with an empty cache. */
export const prefill: Bench = {
  name: "prefill",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: (options) => engines(options, 1024, prefillRate),
};
