import { z } from "zod";
import { reasoningEffort } from "../../../engine/decode/channels/options.ts";
import { receiptSchema } from "../../../ledger/receipt.ts";
import { shownShape } from "../answered.ts";
import { logprobsSchema } from "../logprobs.ts";
import { shownText } from "./format.ts";
import { shownToolShape } from "./tools.ts";

const logprobs = logprobsSchema.shape.content;
export type Logprobs = z.output<typeof logprobs>;

const textPart = z.object({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs,
});
const status = z.enum(["in_progress", "completed", "incomplete"]);
export type ItemStatus = z.output<typeof status>;

const messageItem = z.object({
  type: z.literal("message"),
  id: z.string(),
  role: z.literal("assistant"),
  status,
  content: z.array(textPart),
});
const callItem = z.object({
  type: z.literal("function_call"),
  id: z.string(),
  call_id: z.string().describe("the id that its output refers to"),
  name: z.string(),
  arguments: z.string(),
  status,
});
const reasoningPart = z.object({ type: z.literal("reasoning_text"), text: z.string() });
const reasoningItem = z.object({
  type: z.literal("reasoning"),
  id: z.string(),
  status,
  summary: z.array(z.never()),
  content: z.array(reasoningPart),
});
const outputItem = z.discriminatedUnion("type", [messageItem, callItem, reasoningItem]);
export type OutputItem = z.output<typeof outputItem>;

const usage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

/** The answer of `POST /v1/responses`; `usage` and `receipt` are set once it is done. */
export const response = z.object({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(["in_progress", "completed", "incomplete", "failed"]),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.string() }).nullable(),
  model: z.string(),
  output: z.array(outputItem),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  temperature: z.number().nullable(),
  top_p: z.number().nullable(),
  top_logprobs: z.int(),
  ...shownToolShape,
  text: shownText,
  metadata: z.record(z.string(), z.string()),
  truncation: z.literal("disabled"),
  reasoning: z.object({ effort: reasoningEffort.nullable(), summary: z.null() }),
  store: z.literal(false),
  background: z.literal(false),
  previous_response_id: z.null(),
  usage: usage.nullable(),
  ...shownShape,
  receipt: receiptSchema.optional(),
});
export type Response = z.output<typeof response>;

const contentPart = z.discriminatedUnion("type", [textPart, reasoningPart]);
const sequence_number = z.int();
const output_index = z.int();
const ofItem = { sequence_number, output_index, item_id: z.string() };
const ofPart = { ...ofItem, content_index: z.int() };
const event = <T extends string, F extends z.ZodRawShape>(type: T, fields: F) =>
  z.object({ type: z.literal(type), ...fields });

/** The events of a stream. */
export const responseEvent = z.discriminatedUnion("type", [
  event("response.created", { sequence_number, response }),
  event("response.in_progress", { sequence_number, response }),
  event("response.output_item.added", { sequence_number, output_index, item: outputItem }),
  event("response.content_part.added", { ...ofPart, part: contentPart }),
  event("response.reasoning_text.delta", { ...ofPart, delta: z.string() }),
  event("response.reasoning_text.done", { ...ofPart, text: z.string() }),
  event("response.output_text.delta", { ...ofPart, delta: z.string(), logprobs }),
  event("response.output_text.done", { ...ofPart, text: z.string(), logprobs }),
  event("response.content_part.done", { ...ofPart, part: contentPart }),
  event("response.function_call_arguments.delta", { ...ofItem, delta: z.string() }),
  event("response.function_call_arguments.done", { ...ofItem, name: z.string(), arguments: z.string() }),
  event("response.output_item.done", { sequence_number, output_index, item: outputItem }),
  event("response.completed", { sequence_number, response }),
  event("response.incomplete", { sequence_number, response }),
  event("response.failed", { sequence_number, response }),
]);
export type ResponseEvent = z.output<typeof responseEvent>;

type WithoutNumber<E> = E extends unknown ? Omit<E, "sequence_number"> : never;
/** An event before it is numbered in its stream. */
export type UnnumberedEvent = WithoutNumber<ResponseEvent>;
