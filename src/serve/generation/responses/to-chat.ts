import type { JsonObject } from "../../../weights/json.ts";
import { modelShape } from "../naming.ts";
import { samplingShape } from "../sampling.ts";
import { chatFormat } from "./format.ts";
import { type ResponsesInput, wantsLogprobs } from "./request.ts";
import { chatTools } from "./tools.ts";
import { turnsIn } from "./turns.ts";

/** A Responses request converted to a chat request. */
export interface AsChat {
  readonly request: JsonObject;
  /** For each turn, the request field that it comes from. */
  readonly fields: readonly string[];
}

/** The fields that chats and Responses share. */
const SHARED = [...Object.keys(modelShape), ...Object.keys(samplingShape), "max_flops", "stop", "stream"];

export function asChat(input: ResponsesInput): AsChat {
  const { messages, fields } = turnsIn(input.input, input.instructions);
  const logprobs = wantsLogprobs(input) && { logprobs: true, top_logprobs: input.top_logprobs };
  const request = {
    ...Object.fromEntries(Object.entries(input).filter(([field]) => SHARED.includes(field))),
    ...{ messages, ...chatTools(input), ...logprobs },
    max_completion_tokens: input.max_output_tokens,
    reasoning_effort: input.reasoning?.effort ?? undefined,
    // Usage is requested because it counts the reasoning tokens.
    ...(input.stream && { stream_options: { include_usage: true } }),
    response_format: chatFormat(input.text),
  };
  return { request: withoutUndefined(request), fields };
}

const withoutUndefined = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;

/** Translates the name of a chat's field into the name in the Responses request. */
export const fieldOf =
  (fields: readonly string[]) =>
  (param: string): string =>
    param
      .replace(/^messages\.(\d+)/, (turn, at) => fields[Number(at)] ?? turn)
      .replace(/^messages\b/, "input")
      .replace(/\.tool_call_id$/, ".call_id")
      .replace(/^(tools\.\d+)\.function\b/, "$1")
      .replace(/^response_format(\.json_schema)?/, "text.format")
      .replace(/^reasoning_effort$/, "reasoning.effort")
      .replace(/^max_(completion_)?tokens$/, "max_output_tokens");
