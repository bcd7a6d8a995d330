import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import { billed } from "../generation/billed.ts";
import { readingShape } from "../generation/naming.ts";
import { textsSchema } from "../generation/texts.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { ServerContext } from "../server-context.ts";

/** Texts times labels in one request: each pair of a model that generates is a piece of a prompt that runs. */
const MOST_SCORES = 4096;

const scores = z.record(z.string(), z.number());

/** `POST /v1/classify`. */
export const classify = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/classify"],
    summary: "Classify texts by a classifier's labels, or by the likelihood of given labels",
    scope: "infer",
    input: z.object({
      ...readingShape,
      input: textsSchema(context.limits, "a text, or several; each is classified by itself"),
      labels: listOf(z.string().min(1).max(300), { of: "labels", min: 1, max: MOST_SCORES })
        .nullish()
        .describe(
          `some of a classifier's labels; for a generating model any labels, required; labels times texts at most ${MOST_SCORES}`,
        ),
    }),
    example: { model: "smollm2", input: "The food was good.", labels: ["positive", "negative"] },
    output: z.object({
      object: z.literal("list"),
      data: z.array(z.object({ index: z.int(), label: z.string(), scores })),
      model: z.string(),
      ...billedShape,
    }),
    async handle(asked, call) {
      const { model: name, input, labels } = asked;
      checkScores(input.length, labels?.length ?? 1);
      const chosen = await context.catalogue.choose(asked);
      const { results, receipt } = await billed(context, chosen, { ...call, asked }, (model, terms) =>
        model.classify(input, { ...terms, save: chosen.recipe, ...(labels && { labels }) }),
      );
      const data = results.map((result, index) => ({ index, ...result }));
      return { object: "list", data, model: name, usage: usageOf(receipt), receipt };
    },
  });

/** @throws HttpError when one request would take long */
function checkScores(texts: number, labels: number): void {
  if (labels < 2 || texts * labels <= MOST_SCORES) return;
  const message = `labels: expected at most ${MOST_SCORES} texts times labels, got ${texts} times ${labels}`;
  throw new HttpError(400, message, { param: "labels" });
}
