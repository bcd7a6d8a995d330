import { z } from "zod";
import { textPipelines } from "../../pipelines/registry.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Call } from "../http/endpoint.ts";
import { choosePair } from "../models/pairs.ts";
import type { ServerContext } from "../server-context.ts";
import { type Ask, answers, type Part } from "./answers.ts";
import type { Naming } from "./naming.ts";
import { pipelineAnswers } from "./pipeline-answers.ts";
import { routedAnswers } from "./routed.ts";

/** The model of a pair that answered, and the reason. */
const routeSchema = z.object({
  to: z.enum(["swift", "super"]).describe("which model answered: the pair's first or its second"),
  model: z.string(),
  score: z.number().nullable().describe("the first model's score; null if it has none"),
  threshold: z.number().nullable().describe("scores below it go to the second model; null if infinite"),
  degraded: z.literal(true).optional().describe("the second model was chosen and failed"),
});

/** Each pipeline's own field. */
const shownFields = Object.fromEntries(textPipelines.map(({ shows }) => [shows.field, shows.schema.optional()]));

/** The fields that an answer of a pair or another pipeline has besides the usual ones. */
export const routedShape = {
  route: routeSchema.optional().describe("for a pair of models: which one answered"),
  // Known by name only at run time.
  ...(shownFields as Record<never, never>),
};

/** The answers of the model, or the pair of models, that a request names. @throws HttpError for an unknown name */
export async function answered(
  context: ServerContext,
  path: string,
  input: Naming & Readonly<Record<string, unknown>>,
  asks: readonly Ask[],
  call: Call,
): Promise<AsyncGenerator<Part, void>> {
  const usual = context.catalogue.usualFor(call.key?.terms);
  const named = context.catalogue.text(input.model);
  if (named) return pipelineAnswers(context, named, input, asks, call);
  const pair = await choosePair(context, input, usual);
  if (pair) return routedAnswers(context, pair, asks, call, { path, input: input as JsonObject });
  return answers(context, await context.catalogue.chooseWriter(input, usual), asks, call);
}

type Routed = Pick<Part, "route">;
type Shown = Pick<Part, "route" | "shown">;

/** The route of an answer, or another pipeline's field. */
const shownOf = ({ route, shown }: Shown): Routed => ({ ...(route && { route }), ...shown });

/** The same of a whole answer. */
const routeOf = (pieces: readonly Shown[]): Routed => shownOf(pieces.at(-1) ?? {});

/** For one answer, the route is beside the receipt; for several, with each answer. */
export const routesOf = (choices: readonly (readonly Shown[])[]) => ({
  beside: choices.length === 1 ? routeOf(choices[0]!) : {},
  of: (pieces: readonly Shown[]): Routed => (choices.length > 1 ? routeOf(pieces) : {}),
});

/** The route of a stream's piece that ends an answer. */
export const routeAtEnd = (part: Part): Routed => (part.finishReason ? shownOf(part) : {});
