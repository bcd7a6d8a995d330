import { z } from "zod";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Lend, Reader } from "../../pipelines/labelling.ts";
import { labelPipeline } from "../../pipelines/registry.ts";
import { unlessInside } from "../../util/checked.ts";
import { listOf } from "../../util/list-of.ts";
import { billed } from "../generation/billed.ts";
import { type Naming, readingShape } from "../generation/naming.ts";
import { textsSchema } from "../generation/texts.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { leastOf } from "../keys/terms.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";
import { pooledIndex } from "./search.ts";

/** Maximum texts times labels in one request, since a generating model runs a piece of a prompt for each pair. */
const MOST_SCORES = 4096;

/** Maximum labels of one request. */
const MOST_LABELS = 4096;
const label = z.string().min(1).max(300);
const words = z.union(
  [label, listOf(label, { of: "words", min: 1, max: 32 })],
  unlessInside("expected a text, or a list of words"),
);

/** Labels, or lists of words by label, which only a pipeline reads. */
const labelsField = z.union(
  [listOf(label, { of: "labels", min: 1, max: MOST_LABELS }), z.record(label, words)],
  unlessInside(`expected a list of 1 to ${MOST_LABELS} labels, or label words by label`),
);

const { fields, read, shown } = await labelPipeline.fields();

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
          `labels to choose from. Classifiers: some of their own. Text models: any, required. With retrieval: any, or label words for each label. At most ${MOST_SCORES} labels times texts`,
        ),
      ...fields(context.limits),
    }),
    example: { model: "smollm2", input: "The food was good.", labels: ["positive", "negative"] },
    output: z.object({
      object: z.literal("list"),
      data: z.array(z.object({ index: z.int(), label: z.string().nullable(), scores, ...shown })),
      model: z.string(),
      ...billedShape,
    }),
    async handle(body, call) {
      const { model: name, input, labels } = body;
      checkScores(input.length, Array.isArray(labels) ? labels.length : Object.keys(labels ?? {}).length);
      const request = read(body);
      if (request) return answered(name, await labelled(context, body, request, call));
      const list = withoutWords(labels);
      if (name === context.vectors?.name)
        throw new HttpError(400, `${name} has no labels of its own; set retrieval or evidence`, {
          param: "model",
        });
      const choice = await context.catalogue.choose(body);
      const answer = await billed(context, choice, { ...call, body }, (model, terms) =>
        model.classify(input, { ...terms, save: choice.recipe, ...(list && { labels: list }) }),
      );
      return answered(name, answer);
    },
  });

/** Classifies texts with the pipeline, and bills the request once. @throws HttpError, UserError */
async function labelled(
  context: ServerContext,
  { input, max_flops, ...naming }: Naming & { input: readonly string[]; max_flops?: number | null | undefined },
  request: NonNullable<ReturnType<typeof read>>,
  call: Call,
) {
  const resources = {
    ...(await readerOf(context, naming, call)),
    index: request.index === undefined ? undefined : pooledIndex(context, request.index, call),
    memo: context.memo,
    notice: (sentence: string) => context.log.warn(sentence),
  };
  using bill = billFor(context, resources.name, call);
  const ceiling = { flops: leastOf(max_flops, call.key?.terms.maxFlops) };
  const terms = { ...bill.terms, signal: call.signal, ceiling };
  const { results, receipt } = await labelPipeline.classify(resources, input, request, terms);
  bill.add(receipt);
  return { results, receipt: bill.close("stop") };
}

/** Leases the encoder for one batch at a time: a request that held two models could wait for itself. */
async function readerOf(context: ServerContext, naming: Naming, call: Call) {
  const { vectors } = context;
  if (vectors && naming.model === vectors.name)
    return { name: vectors.name, reader: { kind: "words", vectors, ms: 0 } satisfies Reader };
  const choice = await context.catalogue.choose(naming);
  const use: Lend = async (work) => {
    using lease = await leaseFor(context, choice, call);
    return await work(lease.model);
  };
  return { name: choice.served.id, reader: { kind: "encoder", use } satisfies Reader };
}

function answered(model: string, { results, receipt }: { results: readonly object[]; receipt: Receipt }) {
  const data = results.map((result, index) => ({ index, ...result }));
  return { object: "list", data, model, usage: usageOf(receipt), receipt };
}

/** @throws HttpError for label words, which only a pipeline reads */
function withoutWords(labels: z.output<typeof labelsField> | null | undefined) {
  if (!labels || Array.isArray(labels)) return labels as readonly string[] | null | undefined;
  throw new HttpError(400, "labels: label words need retrieval or evidence; expected a list", { param: "labels" });
}

/** @throws HttpError if one request would take too long */
function checkScores(texts: number, labels: number): void {
  if (labels < 2 || texts * labels <= MOST_SCORES) return;
  const message = `labels: expected at most ${MOST_SCORES} texts times labels, got ${texts} times ${labels}`;
  throw new HttpError(400, message, { param: "labels" });
}
