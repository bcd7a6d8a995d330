import { randomUUID } from "node:crypto";
import { z } from "zod";
import { type Ask, answers, type Part, textOf, wholeAnswers } from "../generation/answers.ts";
import { FlatLogprobs, flatLogprobsSchema } from "../generation/logprobs.ts";
import { generationShape, needing, optionsOf } from "../generation/options.ts";
import { textsSchema } from "../generation/texts.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";

/** As OpenAI has it. */
const USUAL_TOKENS = 16;

/** In one request, however many prompts it has: each takes a place in the queue. */
const MOST_ANSWERS = 64;

const prompts = ({ maxTexts, ...limits }: Limits) =>
  textsSchema(
    { ...limits, maxTexts: Math.min(maxTexts, MOST_ANSWERS) },
    `what is gone on with: a text, or several, each answered by itself; at most ${MOST_ANSWERS} answers in all`,
  );

const completionShape = (limits: Limits) => ({
  ...generationShape(limits),
  prompt: prompts(limits),
  logprobs: z
    .int()
    .min(0)
    .max(5)
    .nullish()
    .describe("give each token's log-probability (natural), and those of so many of the likeliest in its place"),
  top_logprobs: z
    .null("expected nothing: logprobs says how many of the likeliest to give")
    .optional()
    .describe("nothing else is taken"),
  echo: z.literal(false, "expected false: the prompt is not given back").nullish().describe("nothing else is taken"),
  suffix: z.null("expected nothing: text is only added at the end").optional().describe("nothing else is taken"),
  best_of: z.literal(1, "expected 1: every answer is given").nullish().describe("nothing else is taken"),
});
const completionInput = (limits: Limits) =>
  z.object(completionShape(limits)).superRefine(needing("stream_options", "stream"));
type CompletionInput = z.output<ReturnType<typeof completionInput>>;

const completion = z.object({
  id: z.string(),
  created: z.int(),
  model: z.string(),
  object: z.literal("text_completion"),
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      logprobs: flatLogprobsSchema.nullable(),
      finish_reason: z.enum(["stop", "length"]).nullable(),
    }),
  ),
});
const completionOutput = completion.extend(billedShape);
const completionChunk = completion.extend({
  usage: billedShape.usage.nullable().optional(),
  receipt: billedShape.receipt.optional(),
});

/** `POST /v1/completions`: goes on with texts as they are, without a chat template. */
export const completions = (house: House): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/completions"],
    summary: "Goes on with texts as they are, whole or as a stream of server-sent events",
    scope: "infer",
    input: completionInput(house.limits),
    example: { model: "smollm2", prompt: "Once upon a time", max_tokens: 24, temperature: 0 },
    output: completionOutput,
    event: completionChunk,
    async handle(input, call) {
      const asked = asks(input, house.limits);
      const chosen = await house.catalogue.choose(input, call.key?.terms.recipe);
      const parts = answers(house, chosen, asked, call);
      const about = {
        id: `cmpl-${randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: input.model,
        object: "text_completion" as const,
      };
      return input.stream ? chunks(parts, input, about) : whole(parts, input, about);
    },
  });

type About = Omit<z.output<typeof completion>, "choices">;

/** Each prompt's answers are adjacent. @throws HttpError when there would be too many */
function asks(input: CompletionInput, { maxTokens }: Limits): Ask[] {
  const n = input.n ?? 1;
  if (n * input.prompt.length > MOST_ANSWERS)
    throw new HttpError(
      400,
      `prompt: expected at most ${MOST_ANSWERS} answers in all, got ${n * input.prompt.length}`,
      {
        param: "prompt",
      },
    );
  const most = Math.min(input.max_completion_tokens ?? input.max_tokens ?? USUAL_TOKENS, maxTokens);
  return input.prompt.flatMap((prompt) =>
    Array.from({ length: n }, (_, choice) => ({
      prompt,
      options: { ...optionsOf(input, most, choice), logprobs: input.logprobs ?? undefined, raw: true },
    })),
  );
}

/** What tells the log-probabilities of one answer; undefined where they are not asked for. */
const flatOf = ({ prompt, n, logprobs }: CompletionInput, choice: number): FlatLogprobs | undefined =>
  typeof logprobs === "number" ? new FlatLogprobs(prompt[Math.floor(choice / (n ?? 1))]!) : undefined;

async function whole(parts: AsyncGenerator<Part>, input: CompletionInput, about: About) {
  const { choices, receipt } = await wholeAnswers(parts);
  const answered = choices.map((pieces, index) => ({
    index,
    text: textOf(pieces),
    logprobs: flatOf(input, index)?.of(pieces) ?? null,
    finish_reason: pieces.at(-1)!.finishReason!,
  }));
  return { ...about, choices: answered, usage: usageOf(receipt, input.n ?? 1), receipt };
}

type Event = z.input<typeof completionChunk>;

async function* chunks(parts: AsyncGenerator<Part>, input: CompletionInput, about: About): AsyncGenerator<Event, void> {
  const usageLast = input.stream_options?.include_usage === true;
  const base = { ...about, ...(usageLast && { usage: null }) };
  const flat = Array.from({ length: input.prompt.length * (input.n ?? 1) }, (_, choice) => flatOf(input, choice));
  for await (const part of parts) {
    const { choice: index, text, finishReason, receipt } = part;
    if (text === "" && !finishReason && typeof input.logprobs !== "number") continue;
    const logprobs = flat[index]?.of([part]) ?? null;
    const choices = [{ index, text, logprobs, finish_reason: finishReason ?? null }];
    yield { ...base, choices, ...(receipt && !usageLast && { receipt }) };
    if (receipt && usageLast) yield { ...base, choices: [], usage: usageOf(receipt, input.n ?? 1), receipt };
  }
}
