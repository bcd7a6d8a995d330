import { z } from "zod";
import { MODES } from "../../weights/tokenizer/index.ts";
import type { Limits } from "../limits.ts";
import { endsShape } from "./ends.ts";
import { generationShape, needing } from "./options.ts";
import { promptsSchema } from "./prompts.ts";
import { formatShape, inOneFormat } from "./response-format.ts";

const shape = (limits: Limits) => ({
  ...generationShape(limits),
  ...formatShape,
  ...endsShape(limits, 0),
  prompt: promptsSchema(limits),
  logprobs: z
    .int()
    .min(0)
    .max(5)
    .nullish()
    .describe("return each token's natural log-probability, and this many of the likeliest tokens with theirs"),
  top_logprobs: z
    .null("expected null: logprobs is the number of likeliest tokens to return")
    .optional()
    .describe("not supported; use logprobs"),
  echo: z
    .boolean()
    .nullish()
    .describe(
      "return the prompt before the answer, and with logprobs also the prompt's log-probabilities; with max_tokens 0, only the prompt",
    ),
  suffix: z
    .string()
    .max(limits.maxPrompt)
    .nullish()
    .describe("text after the gap that the answer fills; for models with fill-in-the-middle tokens"),
  infill: z
    .boolean()
    .nullish()
    .describe(
      "fill the prompt's blanks <extra_id_0>, <extra_id_1> … and return the whole text; for models trained to do so",
    ),
  mode: z
    .enum(MODES)
    .nullish()
    .describe("how a model trained with UL2R reads the prompt, such as NLU for short blanks"),
  best_of: z
    .int()
    .min(1)
    .max(limits.maxChoices)
    .nullish()
    .describe(
      "answers to sample per prompt; the n with the highest mean log-probability per token are returned; default n",
    ),
});

/** The body of `POST /v1/completions`. */
export const completionInput = (limits: Limits) =>
  z.object(shape(limits)).superRefine(needing("stream_options", "stream")).superRefine(together).transform(inOneFormat);
export type CompletionInput = z.output<ReturnType<typeof completionInput>>;

type Fields = z.output<z.ZodObject<ReturnType<typeof shape>>>;

/** The number of answers to sample for each prompt. */
export const drawnOf = ({ n, best_of: best }: Pick<Fields, "n" | "best_of">): number => best ?? n ?? 1;

/** Refuses conflicting fields. */
function together(input: Fields, { addIssue }: z.RefinementCtx): void {
  const refuse = (field: keyof Fields, message: string) => addIssue({ code: "custom", path: [field], message });
  const { n, best_of: best, stream, echo, suffix } = input;
  if (best && best < (n ?? 1)) refuse("best_of", `expected at least n, ${n}`);
  if (best && stream && best > (n ?? 1))
    refuse("best_of", "expected at most the value of n in a stream, which sends answers as they are drawn");
  if (echo && suffix) refuse("suffix", "not supported with echo: true");
  if (input.infill || input.mode) ofTexts(input, input.infill ? "infill" : "mode", refuse);
  for (const field of ["max_tokens", "max_completion_tokens"] as const)
    if (input[field] === 0 && !echo) refuse(field, "expected at least 1 without echo: true");
}

/** Checks requests with `infill` or `mode`: prompts must be texts, and an infilled text is returned whole. */
function ofTexts(
  { prompt, suffix, echo, stream, infill, response_format: format }: Fields,
  field: "infill" | "mode",
  refuse: (field: keyof Fields, message: string) => void,
): void {
  if (prompt.some((each) => typeof each !== "string")) refuse("prompt", `expected texts, not token ids, with ${field}`);
  if (suffix) refuse("suffix", `not supported with ${field}`);
  if (format) refuse("response_format", `not supported with ${field}`);
  if (infill && stream) refuse("stream", "expected false with infill, which fills several places at once");
  if (infill && echo) refuse("echo", "expected false with infill, which returns the whole text");
}
