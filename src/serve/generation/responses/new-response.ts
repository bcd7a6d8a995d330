import type { usageOf } from "../usage.ts";
import { formatShown } from "./format.ts";
import { newId } from "./open-items.ts";
import type { Response } from "./output.ts";
import type { ResponsesInput } from "./request.ts";
import { shownTools } from "./tools.ts";

/** The current Unix time in seconds. */
export const seconds = (): number => Math.floor(Date.now() / 1000);

/** A response without output yet, which repeats its request's fields. */
export const newResponse = (input: ResponsesInput): Response => ({
  id: newId("resp"),
  object: "response",
  created_at: seconds(),
  completed_at: null,
  status: "in_progress",
  error: null,
  incomplete_details: null,
  model: input.model,
  output: [],
  instructions: input.instructions ?? null,
  max_output_tokens: input.max_output_tokens ?? null,
  temperature: input.temperature ?? null,
  top_p: input.top_p ?? null,
  top_logprobs: input.top_logprobs ?? 0,
  ...shownTools(input),
  text: formatShown(input.text),
  metadata: input.metadata ?? {},
  truncation: "disabled",
  reasoning: { effort: input.reasoning?.effort ?? null, summary: null },
  store: false,
  background: false,
  previous_response_id: null,
  usage: null,
});

/** A chat's usage, with the field names of Responses. */
export const shownUsage = (usage: ReturnType<typeof usageOf>): NonNullable<Response["usage"]> => ({
  input_tokens: usage.prompt_tokens,
  input_tokens_details: { ...usage.prompt_tokens_details, cache_write_tokens: 0 },
  output_tokens: usage.completion_tokens,
  output_tokens_details: usage.completion_tokens_details ?? { reasoning_tokens: 0 },
  total_tokens: usage.total_tokens,
});
