import type { Texts } from "./texts.ts";
import type { Answered, Ask } from "./traffic.ts";

/** The only model of a bench's server. */
export const MODEL = "bench";

/** A greedy completion that reaches the last requested token. */
export const completion = (texts: Texts, prompt: string, answer: number, more: object = {}): Ask => ({
  path: "/v1/completions",
  body: {
    model: MODEL,
    max_tokens: answer,
    temperature: 0,
    repetition_detection: false,
    logit_bias: texts.endless,
    prompt,
    ...more,
  },
});

/** Like `completion`, but streamed, with the token count at the end. */
export const stream = (texts: Texts, prompt: string, answer: number): Ask =>
  completion(texts, prompt, answer, { stream: true, stream_options: { include_usage: true } });

/** @throws Error if a prompt or an answer does not have the expected length */
export function checkTokens(answered: readonly Answered[], prompt: number, answer: number): void {
  for (const { usage } of answered.map(({ body }) => body))
    if (usage?.prompt_tokens !== prompt || usage.completion_tokens !== answer)
      throw new Error(`expected ${prompt} and ${answer} tokens, got ${JSON.stringify(usage)}`);
}
