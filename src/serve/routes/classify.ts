import { z } from "zod";
import type { Receipt } from "../../ledger/receipt.ts";
import type { LabelsInput } from "../../pipelines/qzero/labels.ts";
import { billed } from "../generation/billed.ts";
import { classifyByLookup } from "../generation/looked-up.ts";
import { evidenceField, labelsField, lookupShape, retrievalField } from "../generation/lookup-fields.ts";
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
      labels: labelsField
        .nullish()
        .describe(
          `some of a classifier's labels; for a generating model any labels, required; labels times texts at most ${MOST_SCORES}; with retrieval any labels, or label words by label`,
        ),
      retrieval: retrievalField
        .nullish()
        .describe("classify by the categories of documents, with a model of embeddings or glove"),
      evidence: evidenceField(context.limits)
        .nullish()
        .describe("documents for each text, the best first, in place of an index"),
      explain: z.boolean().nullish().describe("with retrieval: also return documents, categories and keywords"),
    }),
    example: { model: "smollm2", input: "The food was good.", labels: ["positive", "negative"] },
    output: z.object({
      object: z.literal("list"),
      data: z.array(z.object({ index: z.int(), label: z.string().nullable(), scores, ...lookupShape })),
      model: z.string(),
      ...billedShape,
    }),
    async handle(asked, call) {
      const { model: name, input, labels } = asked;
      checkScores(input.length, Array.isArray(labels) ? labels.length : Object.keys(labels ?? {}).length);
      if (asked.retrieval || asked.evidence) return answered(name, await classifyByLookup(context, asked, call));
      const list = withoutWords(labels, asked.explain);
      if (name === context.vectors?.name)
        throw new HttpError(400, `${name} has no labels of its own; expected retrieval or evidence`, {
          param: "model",
        });
      const chosen = await context.catalogue.choose(asked);
      const answer = await billed(context, chosen, { ...call, asked }, (model, terms) =>
        model.classify(input, { ...terms, save: chosen.recipe, ...(list && { labels: list }) }),
      );
      return answered(name, answer);
    },
  });

function answered(model: string, { results, receipt }: { results: readonly object[]; receipt: Receipt }) {
  const data = results.map((result, index) => ({ index, ...result }));
  return { object: "list", data, model, usage: usageOf(receipt), receipt };
}

/** @throws HttpError for fields that only a lookup reads */
function withoutWords(labels: LabelsInput | null | undefined, explain: boolean | null | undefined) {
  if (explain) throw new HttpError(400, "explain: expected retrieval or evidence beside it", { param: "explain" });
  if (!labels || Array.isArray(labels)) return labels as readonly string[] | null | undefined;
  throw new HttpError(400, "labels: label words are for retrieval or evidence; expected a list", { param: "labels" });
}

/** @throws HttpError when one request would take long */
function checkScores(texts: number, labels: number): void {
  if (labels < 2 || texts * labels <= MOST_SCORES) return;
  const message = `labels: expected at most ${MOST_SCORES} texts times labels, got ${texts} times ${labels}`;
  throw new HttpError(400, message, { param: "labels" });
}
