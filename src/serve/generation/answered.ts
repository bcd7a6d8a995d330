import { z } from "zod";
import type { JsonObject } from "../../weights/json.ts";
import type { Call } from "../http/endpoint.ts";
import { choosePair } from "../models/pairs.ts";
import type { ServerContext } from "../server-context.ts";
import { type Ask, answers, type Part } from "./answers.ts";
import type { Naming } from "./naming.ts";
import { routedAnswers } from "./routed.ts";

/** The model of a pair that answered, and the reason. */
const routeSchema = z.object({
  to: z.enum(["swift", "super"]).describe("which model answered: the pair's first or its second"),
  model: z.string(),
  score: z.number().nullable().describe("the first model's score; null if it has none"),
  threshold: z.number().nullable().describe("scores below it go to the second model; null if infinite"),
  degraded: z.literal(true).optional().describe("the second model was chosen and failed"),
});

/** The fields that an answer of a pair has besides the usual ones. */
export const routedShape = { route: routeSchema.optional().describe("for a pair of models: which one answered") };

/** The answers of the model, or the pair of models, that a request names. @throws HttpError for an unknown name */
export async function answered(
  context: ServerContext,
  path: string,
  input: Naming & Readonly<Record<string, unknown>>,
  asks: readonly Ask[],
  call: Call,
): Promise<AsyncGenerator<Part, void>> {
  const usual = context.catalogue.usualFor(call.key?.terms);
  const pair = await choosePair(context, input, usual);
  if (pair) return routedAnswers(context, pair, asks, call, { path, input: input as JsonObject });
  return answers(context, await context.catalogue.chooseWriter(input, usual), asks, call);
}

type Routed = Pick<Part, "route">;

/** The route of a whole answer. */
const routeOf = (pieces: readonly Routed[]): Routed => {
  const route = pieces.at(-1)?.route;
  return route ? { route } : {};
};

/** For one answer, the route is beside the receipt; for several, with each answer. */
export const routesOf = (choices: readonly (readonly Routed[])[]) => ({
  beside: choices.length === 1 ? routeOf(choices[0]!) : {},
  of: (pieces: readonly Routed[]): Routed => (choices.length > 1 ? routeOf(pieces) : {}),
});

/** The route of a stream's piece that ends an answer. */
export const routeAtEnd = ({ finishReason, route }: Part): Routed => (finishReason && route ? { route } : {});
