import { generateAll } from "../../../engine/decode/answer/batch-generate.ts";
import { generateOptions } from "../../../engine/decode/answer/generate.ts";
import type { Engine } from "../../../engine/decode/run/engine.ts";
import { fnv1a } from "../../../util/hash.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { Prompt } from "./rollouts.ts";

/** A completion that is not yet scored. */
export interface Completion {
  readonly ids: readonly number[];
  readonly text: string;
  /** True if the completion reached the maximum length. */
  readonly clipped: boolean;
}

interface SamplingTerms {
  /** The number of completions per prompt. */
  readonly group: number;
  /** The maximum number of tokens in prompt and completion together; `longest` is the completion's maximum. */
  readonly tokens: number;
  readonly longest: number;
  readonly seed: number;
  readonly step: number;
}

/**
 * Samples each prompt's completions at temperature 1. The draws depend only on the seed, the step, the prompt's index,
 * and the completion's index.
 */
export async function sample(
  engine: Engine,
  tokenizer: Tokenizer,
  prompts: readonly { readonly place: number; readonly prompt: Prompt }[],
  { group, tokens, longest, seed, step }: SamplingTerms,
): Promise<{ readonly groups: readonly (readonly Completion[])[]; readonly flops: number }> {
  // The weights have changed since the last call, so cached results are stale.
  engine.forget();
  const requests = prompts.flatMap(({ place, prompt: { ids, raw } }) =>
    Array.from({ length: group }, (_, index) => {
      const own = { temperature: 1, seed: fnv1a([seed, step, place, index]), repetitionDetection: false };
      const maxTokens = Math.min(longest, tokens - ids.length);
      return { prompt: ids, options: { ...generateOptions.parse({ ...own, maxTokens }), continues: raw } };
    }),
  );
  const answers = await generateAll(engine, tokenizer, requests);
  const completions = answers.map((answer): Completion => {
    return { ids: answer.tokens.map(({ id }) => id), text: answer.text, clipped: answer.reason !== "stop" };
  });
  return {
    groups: prompts.map((_, i) => completions.slice(i * group, (i + 1) * group)),
    flops: answers.reduce((sum, { usage }) => sum + usage.flops.spent, 0),
  };
}
