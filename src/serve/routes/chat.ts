import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { ChatMessage } from "../../index.ts";
import { type Ask, answers, type Part, textOf, wholeAnswers } from "../generation/answers.ts";
import { logprobsOf, logprobsSchema } from "../generation/logprobs.ts";
import { generationShape, optionsOf } from "../generation/options.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";

const part = z.object({
  type: z.literal("text", 'expected "text", the only kind of part that is read'),
  text: z.string(),
});
const content = z.union([z.string(), z.array(part)], 'expected a text, or a list of parts { type: "text", text }');
const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content,
  name: z.string().max(200).nullish(),
});

const LATER = "is not supported yet";
const nothing = (what: string) => z.array(z.unknown()).max(0, `${what} ${LATER}, expected none`).nullish();

const chatInput = (limits: Limits) =>
  z.object({
    ...generationShape(limits),
    messages: z.array(message, "expected a list of messages").min(1, "expected at least one message").max(4096),
    max_completion_tokens: z.int().min(1).max(limits.maxTokens).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    tools: nothing("calling tools"),
    functions: nothing("calling functions"),
  });
type ChatInput = z.output<ReturnType<typeof chatInput>>;

const head = { id: z.string(), created: z.int(), model: z.string() };
const finish = z.enum(["stop", "length"]);
const answer = z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() });
const chatOutput = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({ index: z.int(), message: answer, logprobs: logprobsSchema.nullable(), finish_reason: finish }),
  ),
  ...billedShape,
});
const chatChunk = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: z.object({ role: z.literal("assistant").optional(), content: z.string().optional() }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finish.nullable(),
    }),
  ),
  usage: billedShape.usage.nullable().optional(),
  receipt: billedShape.receipt.optional(),
});

/** `POST /v1/chat/completions`, as OpenAI has it. */
export const chat = (house: House): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/chat/completions"],
    summary: "Answers a chat, whole or as a stream of server-sent events",
    scope: "infer",
    input: chatInput(house.limits),
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
      const chosen = await house.catalogue.choose(input.model, input.savings, call.key?.terms.recipe);
      const parts = answers(house, chosen, asks(input, house.limits), call);
      const about = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: input.model };
      return input.stream ? chunks(parts, input, about) : whole(parts, input, about);
    },
  });

type About = z.output<z.ZodObject<typeof head>>;

function asks(input: ChatInput, { maxPrompt, maxTokens }: Limits): Ask[] {
  const prompt = input.messages.map(turn);
  const length = prompt.reduce((sum, { content }) => sum + content.length, 0);
  if (length > maxPrompt)
    throw new HttpError(400, `messages: expected at most ${maxPrompt} characters, got ${length}`, {
      param: "messages",
    });
  const most = input.max_completion_tokens ?? input.max_tokens ?? maxTokens;
  const logprobs = input.logprobs ? (input.top_logprobs ?? 0) : undefined;
  return Array.from({ length: input.n ?? 1 }, (_, choice) => ({
    prompt,
    options: { ...optionsOf(input, most, choice), logprobs },
  }));
}

/** Templates know no developers: that is what OpenAI calls the system of some of its models. */
function turn({ role, content }: z.output<typeof message>): ChatMessage & { content: string } {
  const text = typeof content === "string" ? content : content.map((p) => p.text).join("");
  return { role: role === "developer" ? "system" : role, content: text };
}

async function whole(parts: AsyncGenerator<Part>, input: ChatInput, about: About): Promise<z.input<typeof chatOutput>> {
  const { choices, receipt } = await wholeAnswers(parts);
  const answered = choices.map((pieces, index) => ({
    index,
    message: { role: "assistant" as const, content: textOf(pieces), refusal: null },
    logprobs: input.logprobs ? logprobsOf(pieces) : null,
    finish_reason: pieces.at(-1)!.finishReason!,
  }));
  return { ...about, object: "chat.completion", choices: answered, usage: usageOf(receipt, choices.length), receipt };
}

type Event = z.input<typeof chatChunk>;
type Delta = Event["choices"][number]["delta"];

/** The events of a stream: a piece each, an answer's first with its role, and with `include_usage` one more at the end for the bill. */
async function* chunks(parts: AsyncGenerator<Part>, input: ChatInput, about: About): AsyncGenerator<Event, void> {
  const usageLast = input.stream_options?.include_usage === true;
  const base = { ...about, object: "chat.completion.chunk" as const, ...(usageLast && { usage: null }) };
  const begun = new Set<number>();
  for await (const part of parts) {
    const { choice: index, text, finishReason, receipt } = part;
    const delta: Delta = { ...(!begun.has(index) && { role: "assistant" }), ...(text !== "" && { content: text }) };
    if (text === "" && !finishReason && !input.logprobs) continue;
    begun.add(index);
    const logprobs = input.logprobs ? logprobsOf([part]) : null;
    const choices = [{ index, delta, logprobs, finish_reason: finishReason ?? null }];
    yield { ...base, choices, ...(receipt && !usageLast && { receipt }) };
    if (receipt && usageLast) yield { ...base, choices: [], usage: usageOf(receipt, input.n ?? 1), receipt };
  }
}
