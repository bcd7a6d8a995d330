import { z } from "zod";

const nothing = (why: string) => z.null(`expected none: ${why}`).optional().describe("not supported");
const NOT_KEPT = "the server keeps no responses; send all turns as input";

/** OpenAI's fields that are not supported and would change the answer, each with its one accepted value. */
export const refusedShape = {
  previous_response_id: nothing(NOT_KEPT),
  conversation: nothing(NOT_KEPT),
  store: z
    .literal(false, "expected false: the server keeps no responses")
    .nullish()
    .describe("false (default): nothing is stored"),
  background: z
    .literal(false, "expected false: requests do not run in the background")
    .nullish()
    .describe("the only accepted value"),
  max_tokens: nothing("use max_output_tokens"),
  max_completion_tokens: nothing("use max_output_tokens"),
  response_format: nothing("use text.format"),
  reasoning_effort: nothing("use reasoning.effort"),
  prompt: nothing("the server stores no prompts; send instructions and input"),
  moderation: nothing("the server moderates nothing"),
  context_management: z
    .array(z.unknown())
    .max(0, "not supported: the server never edits a conversation")
    .nullish()
    .describe("not supported"),
  truncation: z
    .literal("disabled", 'expected "disabled": inputs that do not fit are refused, not cut')
    .nullish()
    .describe("the only accepted value"),
};
