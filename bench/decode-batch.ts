import type { Bench } from "./harness.ts";
import { engines } from "./sides.ts";
import { realTokens } from "./tokens.ts";

const SEQUENCES = 8;
const STEPS = 64;
/** The shortest prompt's length in tokens, and the step to each longer prompt. */
const PROMPT = 32;

/** Decodes 64 greedy tokens for 8 sequences together, after prompts of 32 to 256 tokens; in tokens per second. */
export const decodeBatch: Bench = {
  name: "decode-batch",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: (options) =>
    engines(
      options,
      512,
      async (child) => {
        const { seconds } = await child.call("decodeBatch", { prompts: prompts(), n: STEPS });
        return (SEQUENCES * STEPS) / seconds;
      },
      SEQUENCES,
    ),
};

/** Different texts of different length. */
function prompts(): number[][] {
  const lengths = Array.from({ length: SEQUENCES }, (_, i) => (i + 1) * PROMPT);
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  const text = realTokens(starts.at(-1)! + lengths.at(-1)!);
  return lengths.map((length, i) => text.slice(starts[i]!, starts[i]! + length));
}
