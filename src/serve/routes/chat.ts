import { randomUUID } from "node:crypto";
import { z } from "zod";
import { reasoningEffort, templateVariables } from "../../engine/decode/channels/options.ts";
import type { AnswerReader } from "../../engine/decode/tools/reader.ts";
import type { ChatMessage, FinishReason } from "../../index.ts";
import { lookupPipeline, textPipelines } from "../../pipelines/registry.ts";
import type { NamedText, Settings } from "../../pipelines/text-pipeline.ts";
import { listOf } from "../../util/list-of.ts";
import type { JsonObject } from "../../weights/json.ts";
import { checkImages, checkPixels } from "../fleet/images.ts";
import { answered, ownShape, shownAtBegin, shownAtEnd, shownFieldsOf, shownShape } from "../generation/answered.ts";
import { type Ask, type Part, textOf, wholeAnswers } from "../generation/answers.ts";
import { finishOf } from "../generation/finish.ts";
import { logprobsOf, logprobsSchema } from "../generation/logprobs.ts";
import { generationShape, needing, optionsOf } from "../generation/options.ts";
import { choosePipeline, lookupAnswer, pipelineAnswers } from "../generation/pipeline-answers.ts";
import { formatShape, inOneFormat } from "../generation/response-format.ts";
import { chatSamplingOf } from "../generation/sampling.ts";
import { checkSchemas } from "../generation/schemas.ts";
import { readerOf, shownCall, toolCallSchema, toolOptions, toolShape } from "../generation/tools.ts";
import { imagesOf, lengthOf, message, turnsOf } from "../generation/turns.ts";
import { type AsideTokens, billedShape, usageOf } from "../generation/usage.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";
import { fingerprintOf, type ServerContext } from "../server-context.ts";

/** OpenAI's deprecated field, which `tools` replaced. */
const functions = z
  .array(z.unknown())
  .max(0, "not supported; send functions as tools")
  .nullish()
  .describe("not supported; use tools");

/** Accepts only text, since models answer with nothing else. */
const modalities = listOf(z.literal("text", 'expected "text", the only modality'), { of: "kinds", max: 8 })
  .nullish()
  .describe("text only");

/** Request settings for pipelines. */
const allSettings = textPipelines.flatMap(({ settings, naming: { form } }) => (settings ? { ...settings, form } : []));

/** The fields for pipelines' settings. Their names are known only at run time. */
const settingsShape: Record<never, never> = Object.fromEntries(
  await Promise.all(allSettings.map(async ({ field, load }) => [field, (await load()).schema] as const)),
);

const lookupFields = await lookupPipeline.fields();

/** Reasoning effort and further variables of the chat template. */
const templateShape = {
  reasoning_effort: reasoningEffort
    .nullish()
    .describe("how much the model reasons, if its chat template has a switch; none: no reasoning"),
  thinking_token_budget: z
    .int()
    .min(0)
    .nullish()
    .describe("maximum tokens of reasoning, as in vLLM; then the model has to answer"),
  chat_template_kwargs: templateVariables
    .nullish()
    .describe("further variables of the model's chat template, such as enable_thinking"),
};

const chatShape = (limits: Limits) => ({
  ...generationShape(limits),
  ...formatShape,
  messages: listOf(message, { of: "messages", min: 1, max: 4096 }).describe(
    "the conversation so far, in the order the model's chat template allows",
  ),
  logprobs: z.boolean().nullish().describe("return each token's log-probability (natural)"),
  top_logprobs: z
    .int()
    .min(0)
    .max(20)
    .nullish()
    .describe("with logprobs: likeliest tokens to return per position; default 0"),
  ...toolShape,
  ...templateShape,
  functions,
  modalities,
  ...lookupFields.chatShape,
  ...settingsShape,
  continue_final_message: z
    .boolean()
    .nullish()
    .describe(
      "true: the last message is the assistant's, and the answer continues its text; the default for such a message",
    ),
  add_generation_prompt: z.boolean().nullish().describe("as in vLLM: must be false to continue the last message"),
});

/** Checks vLLM's fields for continuing a message: only a final assistant message is continued, and it always is. */
function continuing(
  { messages, ...input }: z.output<z.ZodObject<ReturnType<typeof chatShape>>>,
  { addIssue }: z.RefinementCtx,
): void {
  const last = messages.at(-1);
  const continued = messages.length > 1 && last?.role === "assistant" && !last.tool_calls?.length;
  const message = continued
    ? "the last message is the assistant's"
    : "the last message is not an assistant's text that follows another message";
  const wrong = (field: string, expected: boolean) =>
    addIssue({ code: "custom", path: [field], message: `expected ${expected}: ${message}` });
  if (input.continue_final_message === !continued) wrong("continue_final_message", continued);
  if (input.add_generation_prompt === continued) wrong("add_generation_prompt", !continued);
}
export const chatInput = (limits: Limits) =>
  z
    .object(chatShape(limits))
    .superRefine(needing("stream_options", "stream"))
    .superRefine(needing("top_logprobs", "logprobs"))
    .superRefine(continuing)
    .transform(inOneFormat);
type ChatInput = z.output<ReturnType<typeof chatInput>>;

const head = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: z.string() };
const finish = z.enum(["stop", "length", "repetition", "tool_calls"]);
const answer = z.object({
  role: z.literal("assistant"),
  content: z.string().nullable(),
  reasoning_content: z.string().optional().describe("reasoning before the answer"),
  reasoning: z.string().optional().describe("the same, under vLLM's newer name"),
  tool_calls: z.array(toolCallSchema).optional(),
  refusal: z.null(),
});
const chatOutput = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: z.int(),
      message: answer,
      logprobs: logprobsSchema.nullable(),
      finish_reason: finish,
      ...shownShape,
    }),
  ),
  ...shownShape,
  ...ownShape,
  ...lookupFields.chatShown,
  ...billedShape,
});
const chatChunk = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: z.object({
        role: z.literal("assistant").optional(),
        content: z.string().nullable().optional(),
        reasoning_content: z.string().optional(),
        reasoning: z.string().optional(),
        tool_calls: z.array(toolCallSchema.extend({ index: z.int() })).optional(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finish.nullable(),
    }),
  ),
  usage: billedShape.usage.nullable().optional(),
  ...shownShape,
  ...ownShape,
  ...lookupFields.eventShown,
  receipt: billedShape.receipt.optional(),
});

export const PATH = "/v1/chat/completions";

/** `POST /v1/chat/completions`, as in OpenAI's API. */
export const chat = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: [PATH],
    summary: "Create a chat completion, whole or as a stream of server-sent events",
    scope: "infer",
    input: chatInput(context.limits),
    example: {
      model: "smollm2",
      messages: [{ role: "user", content: "Name three primary colours." }],
      max_tokens: 24,
      temperature: 0,
      savings: ["xattention:threshold=0.9"],
    },
    output: chatOutput,
    event: chatChunk,
    async handle(input, call) {
      const parts = await partsOf(context, input, call);
      const metadata = {
        ...{ id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: input.model },
        system_fingerprint: fingerprintOf(context),
      };
      return input.stream ? chunks(parts, input, metadata) : whole(parts, input, metadata);
    },
  });

/** The answers, by the lookup pipeline if its field is set. @throws HttpError for fields that conflict with it */
async function partsOf(context: ServerContext, input: ChatInput, call: Call): Promise<AsyncGenerator<Part>> {
  const named = context.catalogue.text(input.model);
  const all = await asks(input, context.limits, named?.pipeline.settings?.maxTokens);
  if (named?.pipeline.settings) return settled(context, named, named.pipeline.settings, input, all, call);
  const other = allSettings.find(({ field }) => fieldOf(input, field));
  if (other) throw new HttpError(400, `${other.field}: expected a model ${other.form}`, { param: other.field });
  const lookupRequest = lookupFields.ofChat(input);
  if (!lookupRequest) return answered(context, PATH, input, all, call);
  const { field } = lookupPipeline.shows;
  if (all.length > 1) throw new HttpError(400, `n: expected 1 with ${field}`, { param: "n" });
  const noun = named?.pipeline.serving?.noun;
  if (noun) throw new HttpError(400, `${field}: expected one model, got a ${noun}`, { param: field });
  return lookupAnswer(context, PATH, input, lookupRequest, all[0]!, call);
}

const fieldOf = (input: object, field: string): unknown => (input as Readonly<Record<string, unknown>>)[field];

/** The answers of a pipeline with settings. @throws HttpError for fields that belong to one model */
async function settled(
  context: ServerContext,
  named: NamedText,
  { field, alone, load }: Settings,
  input: ChatInput,
  all: readonly Ask[],
  call: Call,
): Promise<AsyncGenerator<Part>> {
  const { options } = all[0]!;
  const values = { ...input, ...options, response_format: options.format, n: all[1] };
  const wrong = alone.fields.find((name) => (fieldOf(values, name) ?? undefined) !== undefined);
  if (wrong !== undefined) {
    const message = `${wrong}: expected none with ${named.pipeline.naming.kind}`;
    throw new HttpError(400, message, { param: wrong });
  }
  const { ofField } = await load();
  const settings = ofField(fieldOf(input, field));
  const chosen = await choosePipeline(context, named, input, []);
  return pipelineAnswers(
    context,
    { ...chosen, settings, call, posted: { path: PATH, input: input as JsonObject } },
    all,
  );
}

type Metadata = z.output<z.ZodObject<typeof head>>;

/** The answers that a chat requests. `usual`: the default maximum tokens of an answer. */
export async function asks(input: ChatInput, limits: Limits, usual = limits.maxTokens): Promise<Ask[]> {
  const { maxPrompt } = limits;
  checkImages(input as JsonObject, limits);
  checkSchemas(input as JsonObject, limits);
  const [turns, images] = [turnsOf(input.messages), imagesOf(input.messages)];
  const prompt = turns as readonly ChatMessage[];
  const length = turns.reduce((sum, turn) => sum + lengthOf(turn), 0);
  if (length > maxPrompt)
    throw new HttpError(400, `messages: expected at most ${maxPrompt} characters, got ${length}`, {
      param: "messages",
    });
  await checkPixels(images, "messages", limits);
  const logprobs = input.logprobs ? (input.top_logprobs ?? 0) : undefined;
  return Array.from({ length: input.n ?? 1 }, (_, choice) => ({
    prompt,
    options: {
      ...optionsOf(input, usual, choice),
      ...chatSamplingOf(input),
      ...toolOptions(input),
      reasoningEffort: input.reasoning_effort ?? undefined,
      thinkingTokenBudget: input.thinking_token_budget ?? undefined,
      templateVariables: input.chat_template_kwargs ?? undefined,
      logprobs,
      ...(images.length > 0 && { images }),
    },
  }));
}

async function whole(
  parts: AsyncGenerator<Part>,
  input: ChatInput,
  metadata: Metadata,
): Promise<z.input<typeof chatOutput>> {
  const { choices, receipt } = await wholeAnswers(parts);
  const shown = shownFieldsOf(choices);
  const all = choices.map((pieces, index) => ({
    index,
    ...messageOf(pieces, input),
    logprobs: input.logprobs ? logprobsOf(pieces) : null,
    ...shown.of(pieces),
  }));
  const usage = usageOf(receipt, choices.length, asideTokens(choices.map((pieces) => pieces.at(-1)!)));
  return { ...metadata, object: "chat.completion", choices: all, ...shown.beside, usage, receipt };
}

/** Counts tokens outside the answers' text, from the answers' last pieces. */
const asideTokens = (ends: readonly Part[]): AsideTokens => ({
  plan: ends[0]?.planTokens,
  reasoning: ends.reduce<number | undefined>(
    (sum, { reasoningTokens: more }) => (more === undefined ? sum : (sum ?? 0) + more),
    undefined,
  ),
});

/** An answer's reasoning, text and calls, and why it ended. */
function messageOf(pieces: readonly Part[], input: ChatInput) {
  const text = textOf(pieces);
  const { tokenizer, ...last } = pieces.at(-1)!;
  const reason = last.finishReason!;
  const reasoning = pieces.map((piece) => piece.reasoning ?? "").join("");
  const base = {
    role: "assistant" as const,
    refusal: null,
    ...(reasoning !== "" && { reasoning_content: reasoning, reasoning }),
  };
  const read = readerOf(input, tokenizer)?.push(text, true);
  if (!read || read.calls.length === 0) return { message: { ...base, content: text }, finish_reason: finishOf(reason) };
  const tool_calls = read.calls.map((call) => shownCall(callId(), call));
  const content = read.text.trim() === "" ? null : read.text;
  return { message: { ...base, content, tool_calls }, finish_reason: endOf(reason, true) };
}

const callId = (): string => `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`;

const endOf = (reason: FinishReason, called: boolean): z.output<typeof finish> =>
  called && reason === "stop" ? "tool_calls" : finishOf(reason);

type Event = z.input<typeof chatChunk>;
type EventChoice = Event["choices"][number];
type Delta = EventChoice["delta"];

/** One answer in a stream. */
class StreamedAnswer {
  #reader: AnswerReader | undefined;
  #begun = false;
  #calls = 0;

  constructor(private readonly input: ChatInput) {}

  /** Yields the choices for the next events: first only the role; last only the finish reason. */
  *take(part: Part): Generator<EventChoice, void> {
    const { choice: index, finishReason } = part;
    const base = { index, delta: {}, logprobs: null, finish_reason: null };
    if (!this.#begun) {
      this.#reader = readerOf(this.input, part.tokenizer);
      yield { ...base, delta: { role: "assistant", content: null } };
    }
    this.#begun = true;
    const delta = this.#delta(part);
    const logprobs = this.input.logprobs ? logprobsOf([part]) : null;
    if (Object.keys(delta).length > 0 || logprobs?.content.length) yield { ...base, delta, logprobs };
    if (finishReason) yield { ...base, finish_reason: endOf(finishReason, this.#calls > 0) };
  }

  #delta({ text: piece, reasoning, finishReason }: Part): Delta {
    const { text, calls } = this.#reader?.push(piece, finishReason !== undefined) ?? { text: piece, calls: [] };
    const tool_calls = calls.map((call) => ({ index: this.#calls++, ...shownCall(callId(), call) }));
    const thought = reasoning !== undefined && { reasoning_content: reasoning, reasoning };
    return { ...thought, ...(text !== "" && { content: text }), ...(calls.length > 0 && { tool_calls }) };
  }
}

/** Yields a stream's events: each answer's role, pieces and end; with `include_usage`, the bill. */
async function* chunks(parts: AsyncGenerator<Part>, input: ChatInput, metadata: Metadata): AsyncGenerator<Event, void> {
  const usageLast = input.stream_options?.include_usage === true;
  const base = { ...metadata, object: "chat.completion.chunk" as const, ...(usageLast && { usage: null }) };
  const streamed = Array.from({ length: input.n ?? 1 }, () => new StreamedAnswer(input));
  const ends: Part[] = [];
  for await (const part of parts) {
    const { receipt } = part;
    if (part.finishReason) ends.push(part);
    const begin = shownAtBegin(part);
    const shown = shownAtEnd(part);
    for (const choice of streamed[part.choice]!.take(part)) {
      const end = choice.finish_reason ? { ...shown, ...(receipt && !usageLast && { receipt }) } : {};
      yield { ...base, choices: [choice], ...(choice.delta.role && begin), ...end };
    }
    if (receipt && usageLast)
      yield { ...base, choices: [], ...shown, usage: usageOf(receipt, input.n ?? 1, asideTokens(ends)), receipt };
  }
}
