import { z } from "zod";
import { reasoningEffort } from "../../../engine/decode/channels/options.ts";
import { listOf } from "../../../util/list-of.ts";
import type { Limits } from "../../limits.ts";
import { endsShape } from "../ends.ts";
import { modelShape } from "../naming.ts";
import { samplingShape } from "../sampling.ts";
import { textField } from "./format.ts";
import { inputSchema } from "./items.ts";
import { refusedShape } from "./refused.ts";
import { responseToolShape } from "./tools.ts";

/** The only supported value of `include`; other values concern server-side tools and encrypted reasoning. */
const LOGPROBS = "message.output_text.logprobs";
const included = [
  LOGPROBS,
  "reasoning.encrypted_content",
  "file_search_call.results",
  "web_search_call.results",
  "web_search_call.action.sources",
  "code_interpreter_call.outputs",
  "computer_call_output.output.image_url",
  "message.input_image.image_url",
] as const;

const MOST_PAIRS = 16;
const isShort = (value: unknown): boolean =>
  typeof value !== "object" || value === null || Object.keys(value).length <= MOST_PAIRS;
/** Pairs are counted before they are checked, since zod stores an issue for each. */
const metadata = z.preprocess(
  (value) => (isShort(value) ? value : undefined),
  z.record(z.string().max(64), z.string().max(512), `expected an object of at most ${MOST_PAIRS} strings`),
);

/** The fields shared with chats. */
const sharedShape = (limits: Limits) => {
  const { max_flops, stop } = endsShape(limits);
  return { ...modelShape, ...samplingShape, max_flops, stop };
};

const shape = (limits: Limits) => ({
  ...sharedShape(limits),
  input: inputSchema.describe("a text, or the conversation so far, in the order the model's chat template allows"),
  instructions: z.string().nullish().describe("a system message before the input"),
  max_output_tokens: z
    .int()
    .min(1)
    .nullish()
    .describe(`maximum tokens of the answer; default ${limits.maxTokens}, or a certificate's limit if lower`),
  ...responseToolShape,
  text: textField,
  reasoning: z
    .object({
      effort: reasoningEffort.nullish().describe("how much the model reasons, like reasoning_effort in chats"),
      summary: z.enum(["auto", "concise", "detailed"]).nullish().describe("no effect: reasoning is returned whole"),
    })
    .nullish()
    .describe("for models that reason"),
  include: listOf(z.enum(included), { of: "names", max: included.length })
    .nullish()
    .describe(`${LOGPROBS} returns each token's log-probability; other values are ignored`),
  top_logprobs: z
    .int()
    .min(0)
    .max(20)
    .nullish()
    .describe("likeliest tokens to return per position, with log-probabilities; default 0"),
  metadata: metadata.nullish().describe("an object of strings, returned unchanged"),
  stream: z.boolean().nullish().describe("send the answer piece by piece as named server-sent events"),
  ...refusedShape,
});

/** The body of `POST /v1/responses`. */
export const responsesInput = (limits: Limits) => z.object(shape(limits));
export type ResponsesInput = z.output<ReturnType<typeof responsesInput>>;

export const wantsLogprobs = ({ include, top_logprobs: top }: ResponsesInput): boolean =>
  (include ?? []).includes(LOGPROBS) || (top ?? 0) > 0;
