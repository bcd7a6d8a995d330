import { randomUUID } from "node:crypto";
import { z } from "zod";
import { lookupPipeline } from "../../pipelines/registry.ts";
import { type Part, textOf, wholeAnswers } from "../generation/answers.ts";
import { endsShape, limitOf } from "../generation/ends.ts";
import { finishOf } from "../generation/finish.ts";
import { modelShape } from "../generation/naming.ts";
import { lookupAnswer } from "../generation/pipeline-answers.ts";
import { samplingOf, samplingShape } from "../generation/sampling.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import type { Limits } from "../limits.ts";
import type { ServerContext } from "../server-context.ts";

const { answerShape, answerShown, decisionOf, ofAnswer } = await lookupPipeline.fields();

const PATH = "/v1/answer";

const inputOf = (limits: Limits) =>
  z.object({
    ...modelShape,
    ...endsShape(limits),
    temperature: samplingShape.temperature
      .unwrap()
      .unwrap()
      .nullish()
      .describe("0 (the default) takes the likeliest token"),
    seed: samplingShape.seed,
    question: z.string().min(1).max(limits.maxPrompt).describe("the question, also the search query"),
    ...answerShape,
    stream: z
      .boolean()
      .nullish()
      .describe("send the gate's decision and the documents, then the text piece by piece, as server-sent events"),
  });
type AnswerInput = z.output<ReturnType<typeof inputOf>>;

const head = { id: z.string(), object: z.literal("answer"), model: z.string() };
const finish = z.enum(["stop", "length", "repetition"]);
const output = z.object({
  ...head,
  text: z.string(),
  finish_reason: finish,
  ...answerShown,
  ...billedShape,
});
const event = z.object({
  ...head,
  ...z.object(answerShown).omit({ citations: true }).partial().shape,
  text: z.string().optional(),
  finish_reason: finish.optional(),
  usage: billedShape.usage.optional(),
  receipt: billedShape.receipt.optional(),
});

/** `POST /v1/answer`. */
export const answer = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: [PATH],
    summary: "Answer a question, with passages of an index if the model needs them",
    scope: "infer",
    input: inputOf(context.limits),
    example: { model: "smollm2", question: "Who wrote Moby-Dick?", index: "notes", max_tokens: 32 },
    output,
    event,
    async handle(input, call) {
      const parts = await partsOf(context, input, call);
      const metadata = { id: `answer-${randomUUID()}`, object: "answer" as const, model: input.model };
      return input.stream ? events(parts, metadata) : whole(parts, metadata);
    },
  });

function partsOf(context: ServerContext, input: AnswerInput, call: Call): Promise<AsyncGenerator<Part>> {
  const { question } = input;
  const options = {
    ...samplingOf({ temperature: input.temperature ?? 0, seed: input.seed }, 0),
    ...limitOf(input, context.limits.maxTokens),
    ceiling: { flops: input.max_flops ?? undefined },
    stop: input.stop ?? undefined,
  };
  return lookupAnswer(context, PATH, input, ofAnswer(input), { prompt: question, options }, call);
}

type Metadata = z.output<z.ZodObject<typeof head>>;

type DecisionFacts = Parameters<typeof decisionOf>[0];

/** The gate's decision, if the piece has it: an answer's first and last pieces do. */
const decisionIn = ({ shown }: Part) => shown && decisionOf(shown[lookupPipeline.shows.field] as DecisionFacts);

async function whole(parts: AsyncGenerator<Part>, metadata: Metadata): Promise<z.input<typeof output>> {
  const { choices, receipt } = await wholeAnswers(parts);
  const [pieces] = choices as [Part[]];
  const last = pieces.at(-1)!;
  const { citations = [], ...decision } = decisionIn(last)!;
  const end = { finish_reason: finishOf(last.finishReason!), ...decision, citations };
  return { ...metadata, text: textOf(pieces), ...end, usage: usageOf(receipt), receipt };
}

/** Yields the gate's decision, then the text; the last event has the receipt. */
async function* events(parts: AsyncGenerator<Part>, metadata: Metadata): AsyncGenerator<z.input<typeof event>, void> {
  for await (const part of parts) {
    const { text, finishReason, receipt } = part;
    if (receipt) yield { ...metadata, text, finish_reason: finishOf(finishReason!), usage: usageOf(receipt), receipt };
    else if (part.shown) yield { ...metadata, ...decisionIn(part) };
    else if (text !== "") yield { ...metadata, text };
  }
}
