import type { JsonObject } from "../../../weights/json.ts";
import { modelShape } from "../naming.ts";
import { samplingShape } from "../sampling.ts";
import { chatFormat } from "./format.ts";
import { type ResponsesInput, wantsLogprobs } from "./request.ts";
import { chatTools } from "./tools.ts";
import { turnsIn } from "./turns.ts";

/** A response's request in the form of a chat. */
export interface AsChat {
  readonly request: JsonObject;
  /** The field that each turn comes from. */
  readonly fields: readonly string[];
}

/** Fields that both forms have. */
const SHARED = [...Object.keys(modelShape), ...Object.keys(samplingShape), "max_flops", "stop", "stream"];

export function asChat(input: ResponsesInput): AsChat {
  const { messages, fields } = turnsIn(input.input, input.instructions);
  const logprobs = wantsLogprobs(input) && { logprobs: true, top_logprobs: input.top_logprobs };
  const request = {
    ...Object.fromEntries(Object.entries(input).filter(([field]) => SHARED.includes(field))),
    ...{ messages, ...chatTools(input), ...logprobs },
    max_completion_tokens: input.max_output_tokens,
    reasoning_effort: input.reasoning?.effort ?? undefined,
    // For the count of reasoning tokens.
    ...(input.stream && { stream_options: { include_usage: true } }),
    response_format: chatFormat(input.text),
  };
  return { request: withoutUndefined(request), fields };
}

const withoutUndefined = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;

/** Translates a chat field's name into the request's own. */
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
