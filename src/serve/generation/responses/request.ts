import { z } from "zod";
import { listOf } from "../../../util/list-of.ts";
import type { Limits } from "../../limits.ts";
import { endsShape } from "../ends.ts";
import { modelShape } from "../naming.ts";
import { samplingShape } from "../sampling.ts";
import { textField } from "./format.ts";
import { inputSchema } from "./items.ts";
import { refusedShape } from "./refused.ts";
import { responseToolShape } from "./tools.ts";

/** The only supported value of `include`; the others are for tools that the server does not run, and for reasoning. */
export const LOGPROBS = "message.output_text.logprobs";
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
const isShort = (given: unknown): boolean =>
  typeof given !== "object" || given === null || Object.keys(given).length <= MOST_PAIRS;
/** Pairs are counted before they are checked, since zod keeps a fault for each. */
const metadata = z.preprocess(
  (given) => (isShort(given) ? given : undefined),
  z.record(z.string().max(64), z.string().max(512), `expected at most ${MOST_PAIRS} texts by name`),
);

/** Fields that chats also have. */
const sharedShape = (limits: Limits) => {
  const { max_flops, stop } = endsShape(limits);
  return { ...modelShape, ...samplingShape, max_flops, stop };
};

const shape = (limits: Limits) => ({
  ...sharedShape(limits),
  input: inputSchema.describe("a text, or the turns so far, in the order that the model's chat template takes"),
  instructions: z.string().nullish().describe("a system's turn before the input"),
  max_output_tokens: z.int().min(1).nullish().describe(`most tokens of the answer; ${limits.maxTokens} if left out`),
  ...responseToolShape,
  text: textField,
  include: listOf(z.enum(included), { of: "names", max: included.length })
    .nullish()
    .describe(`${LOGPROBS} gives each token's log-probability; the others name what answers here never have`),
  top_logprobs: z
    .int()
    .min(0)
    .max(20)
    .nullish()
    .describe("how many of the likeliest tokens to give with log-probabilities in each place; 0 if left out"),
  metadata: metadata.nullish().describe("texts by name, which come back as they are"),
  stream: z.boolean().nullish().describe("give the answer piece by piece, as server-sent events with names"),
  ...refusedShape,
});

/** The body of `POST /v1/responses`. */
export const responsesInput = (limits: Limits) => z.object(shape(limits));
export type ResponsesInput = z.output<ReturnType<typeof responsesInput>>;

export const wantsLogprobs = ({ include, top_logprobs: top }: ResponsesInput): boolean =>
  (include ?? []).includes(LOGPROBS) || (top ?? 0) > 0;
