import { textPipelines } from "../../pipelines/registry.ts";
import type { TextPipeline } from "../../pipelines/text-pipeline.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Call } from "../http/endpoint.ts";
import type { ServerContext } from "../server-context.ts";
import { type Ask, answers, type Part } from "./answers.ts";
import type { Naming } from "./naming.ts";
import { choosePipeline, pipelineAnswers } from "./pipeline-answers.ts";

/** The answer fields of all pipelines, each optional. Their names are known only at run time. */
const shownFields = (of: readonly TextPipeline[]): Record<never, never> =>
  Object.fromEntries(of.map(({ shows }) => [shows.field, shows.schema.optional()]));

/** A pipeline's additional answer fields. */
export const shownShape = shownFields(textPipelines.filter(({ settings }) => !settings));

/** The fields of pipelines that answer only chats, and refuse requests for several answers. */
export const ownShape = shownFields(textPipelines.filter(({ settings }) => settings));

/** Generates answers with the model or pipeline that a request names. @throws HttpError for an unknown name */
export async function answered(
  context: ServerContext,
  path: string,
  input: Naming & Readonly<Record<string, unknown>>,
  asks: readonly Ask[],
  call: Call,
): Promise<AsyncGenerator<Part, void>> {
  const { catalogue } = context;
  const usual = catalogue.usualFor(call.key?.terms);
  const named = catalogue.text(await catalogue.spelledOut(input.model));
  if (!named || named.pipeline.settings)
    return answers(context, await catalogue.chooseWriter(input, usual), asks, call);
  const chosen = await choosePipeline(context, named, input, usual);
  return pipelineAnswers(context, { ...chosen, call, posted: { path, input: input as JsonObject } }, asks);
}

type ShownPart = Pick<Part, "shown">;

/** A pipeline's fields for a whole answer. */
const shownOf = (pieces: readonly ShownPart[]): object => ({ ...pieces.at(-1)?.shown });

/** Places pipelines' fields: beside the receipt for a single answer, else in each answer. */
export const shownFieldsOf = (choices: readonly (readonly ShownPart[])[]) => ({
  beside: choices.length === 1 ? shownOf(choices[0]!) : {},
  of: (pieces: readonly ShownPart[]): object => (choices.length > 1 ? shownOf(pieces) : {}),
});

/** The fields that go into a streamed answer's last piece. */
export const shownAtEnd = ({ finishReason, shown, shownFirst }: Part): object =>
  finishReason && !shownFirst ? { ...shown } : {};

/** The fields that go into a stream's first event, before any text. */
export const shownAtBegin = ({ finishReason, shown, shownFirst }: Part): object =>
  shownFirst && !finishReason ? { ...shown } : {};
