import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { RunOptions } from "../../index.ts";
import type { JsonObject } from "../../weights/json.ts";
import { fillBlanks, parseBlanks } from "../../weights/tokenizer/index.ts";
import { answered, shownAtEnd, shownFieldsOf, shownShape } from "../generation/answered.ts";
import { type Ask, type Part, wholeAnswers } from "../generation/answers.ts";
import { type CompletionInput, completionInput, drawnOf } from "../generation/completion.ts";
import { Continuation } from "../generation/continuation.ts";
import { finishOf, stoppedOf, stoppedShape } from "../generation/finish.ts";
import { flatLogprobsSchema } from "../generation/flat-logprobs.ts";
import { optionsOf } from "../generation/options.ts";
import { MOST_ANSWERS, type TextPrompt } from "../generation/prompts.ts";
import { checkSchemas } from "../generation/schemas.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";
import { fingerprintOf, type ServerContext } from "../server-context.ts";

/** OpenAI's default. */
const USUAL_TOKENS = 16;

const completion = z.object({
  id: z.string(),
  created: z.int(),
  model: z.string(),
  object: z.literal("text_completion"),
  system_fingerprint: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      blanks: z.array(z.string()).optional().describe("with infill: the text of each blank"),
      logprobs: flatLogprobsSchema.nullable(),
      finish_reason: z.enum(["stop", "length", "repetition"]).nullable(),
      ...stoppedShape,
      ...shownShape,
    }),
  ),
  ...shownShape,
});
const completionOutput = completion.extend(billedShape);
const completionChunk = completion.extend({
  usage: billedShape.usage.nullable().optional(),
  receipt: billedShape.receipt.optional(),
});

const PATH = "/v1/completions";

/** `POST /v1/completions`: continues texts unchanged, without a chat template. */
export const completions = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: [PATH],
    summary: "Complete a text, whole or as a stream of server-sent events",
    scope: "infer",
    input: completionInput(context.limits),
    example: { model: "smollm2", prompt: "Once upon a time", max_tokens: 24, temperature: 0 },
    output: completionOutput,
    event: completionChunk,
    async handle(input, call) {
      const requests = asks(input, context.limits);
      const parts = await answered(context, PATH, input, requests, call);
      const metadata = {
        id: `cmpl-${randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: input.model,
        object: "text_completion" as const,
        system_fingerprint: fingerprintOf(context),
      };
      return input.stream ? chunks(parts, input, metadata) : whole(parts, input, metadata);
    },
  });

type Metadata = Omit<z.output<typeof completion>, "choices">;

/** The requested answers; each prompt's answers are adjacent. @throws HttpError if there would be too many answers */
function asks(input: CompletionInput, limits: Limits): Ask[] {
  checkSchemas(input as JsonObject, limits);
  const drawn = drawnOf(input);
  const all = drawn * input.prompt.length;
  if (all > MOST_ANSWERS)
    throw new HttpError(400, `prompt: expected at most ${MOST_ANSWERS} answers in all, got ${all}`, {
      param: "prompt",
    });
  const usual = Math.min(USUAL_TOKENS, limits.maxTokens);
  return input.prompt.flatMap((prompt) =>
    Array.from({ length: drawn }, (_, choice) => ({ prompt, options: completionOptions(input, usual, choice) })),
  );
}

function completionOptions(input: CompletionInput, usual: number, choice: number): RunOptions {
  const logprobs = input.logprobs ?? undefined;
  return {
    ...optionsOf(input, usual, choice),
    // The log-probabilities select the best answers.
    logprobs: logprobs ?? (drawnOf(input) > (input.n ?? 1) ? 0 : undefined),
    promptLogprobs: input.echo ? logprobs : undefined,
    suffix: input.suffix || undefined,
    infill: input.infill ?? undefined,
    mode: input.mode ?? undefined,
    raw: true,
  };
}

async function whole(parts: AsyncGenerator<Part>, input: CompletionInput, metadata: Metadata) {
  const { choices, receipt } = await wholeAnswers(parts);
  const [n, drawn] = [input.n ?? 1, drawnOf(input)];
  const best = bestOf(choices, n, drawn);
  const shown = shownFieldsOf(best);
  const all = best.map((pieces, index) => ({
    index,
    ...answerOf(input.prompt[Math.floor(index / n)]!, input, pieces),
    finish_reason: finishOf(pieces.at(-1)!.finishReason!),
    ...stoppedOf(pieces.at(-1)!.finishReason),
    ...shown.of(pieces),
  }));
  return { ...metadata, choices: all, ...shown.beside, usage: usageOf(receipt, drawn), receipt };
}

/** Selects the `n` best of each prompt's `drawn` answers, which are adjacent and have log-probabilities. */
function bestOf(choices: readonly Part[][], n: number, drawn: number): Part[][] {
  if (n === drawn) return [...choices];
  const prompts = Array.from({ length: choices.length / drawn }, (_, i) => choices.slice(i * drawn, (i + 1) * drawn));
  return prompts.flatMap((answers) => answers.toSorted((a, b) => meanLogprob(b) - meanLogprob(a)).slice(0, n));
}

/** The mean log-probability of an answer's tokens, including the end token. */
function meanLogprob(parts: readonly Part[]): number {
  const each = parts.flatMap(({ tokens }) => tokens.map(({ logprob }) => logprob!));
  return each.reduce((sum, logprob) => sum + logprob, 0) / Math.max(1, each.length);
}

/** An answer's text after its prompt, or the prompt with its blanks filled. */
function answerOf(prompt: TextPrompt, input: CompletionInput, pieces: readonly Part[]) {
  const answer = new Continuation(prompt, input).of(pieces);
  if (!input.infill || typeof prompt !== "string") return answer;
  const tokens = pieces.flatMap((piece) => piece.tokens.map(({ id }) => id));
  return { ...answer, ...fillBlanks(parseBlanks(prompt), tokens, pieces[0]!.tokenizer) };
}

type Event = z.input<typeof completionChunk>;

async function* chunks(
  parts: AsyncGenerator<Part>,
  input: CompletionInput,
  metadata: Metadata,
): AsyncGenerator<Event, void> {
  const n = input.n ?? 1;
  const usageLast = input.stream_options?.include_usage === true;
  const base = { ...metadata, ...(usageLast && { usage: null }) };
  const answers = input.prompt.flatMap((prompt) => Array.from({ length: n }, () => new Continuation(prompt, input)));
  for await (const part of parts) {
    const { choice: index, finishReason, receipt } = part;
    const { text, logprobs } = answers[index]!.of([part]);
    if (text === "" && !finishReason && !logprobs) continue;
    const end = { finish_reason: finishReason ? finishOf(finishReason) : null, ...stoppedOf(finishReason) };
    const choices = [{ index, text, logprobs, ...end }];
    const shown = shownAtEnd(part);
    yield { ...base, choices, ...shown, ...(receipt && !usageLast && { receipt }) };
    if (receipt && usageLast) yield { ...base, choices: [], ...shown, usage: usageOf(receipt, n), receipt };
  }
}
