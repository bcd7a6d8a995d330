import { z } from "zod";
import { unlessInside } from "../../../util/checked.ts";
import { listOf } from "../../../util/list-of.ts";

const MOST_PARTS = 1024;
const MOST_ITEMS = 4096;

const AS_IT_CAME = "as in output; has no effect";
const ofOutput = {
  id: z.string().nullish().describe(AS_IT_CAME),
  status: z.string().nullish().describe(AS_IT_CAME),
};

const part = z.object({
  type: z
    .enum(["input_text", "output_text"], 'expected "input_text" or "output_text", as models here read text')
    .describe("output_text in an assistant's message"),
  text: z.string().describe("parts are joined without a separator"),
  annotations: z.array(z.unknown()).nullish().describe(AS_IT_CAME),
  logprobs: z.array(z.unknown()).nullish().describe(AS_IT_CAME),
});

const content = z.union(
  [z.string(), listOf(part, { of: "parts", max: MOST_PARTS })],
  unlessInside(`expected a text, or a list of at most ${MOST_PARTS} parts { type: "input_text", text }`),
);
export type Content = z.output<typeof content>;

const message = z.object({
  type: z.literal("message").optional().describe("optional in a message"),
  role: z.enum(["system", "developer", "user", "assistant"]).describe("the speaker; developer is the same as system"),
  content: content.describe("its text"),
  ...ofOutput,
});

const call = z.object({
  type: z.literal("function_call").describe("a call by the model, as in output"),
  call_id: z.string().describe("the id that its output refers to"),
  name: z.string().describe("the function's name"),
  arguments: z.string().describe("a JSON object, as text"),
  ...ofOutput,
});

const result = z.object({
  type: z.literal("function_call_output").describe("a function's result"),
  call_id: z.string().describe("id of the call that returned this output"),
  output: content.describe("its text"),
  ...ofOutput,
});

const reasoningText = (type: "reasoning_text" | "summary_text") =>
  listOf(
    z.object({
      type: z.literal(type).describe("the only type"),
      text: z.string().describe("parts are joined without a separator"),
    }),
    {
      of: "parts",
      max: MOST_PARTS,
    },
  ).nullish();

const reasoning = z.object({
  type: z.literal("reasoning").describe("reasoning before a message or a call, as in output"),
  content: reasoningText("reasoning_text").describe("its text"),
  summary: reasoningText("summary_text").describe("its text, used if content is missing"),
  encrypted_content: z.string().nullish().describe("not readable here"),
  ...ofOutput,
});

const item = z.discriminatedUnion(
  "type",
  [message, call, result, reasoning],
  'expected the type "message", "function_call", "function_call_output" or "reasoning"; items are not stored, so no request can refer to one',
);
export type Item = z.output<typeof item>;

/** The input of a response: a text, or the turns so far. */
export const inputSchema = z.union(
  [z.string(), listOf(item, { of: "items", min: 1, max: MOST_ITEMS })],
  unlessInside(`expected a text, or a list of 1 to ${MOST_ITEMS} items`),
);
