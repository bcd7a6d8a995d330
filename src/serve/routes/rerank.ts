import { randomUUID } from "node:crypto";
import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import { USUAL_RERANKER } from "../../weights/sources/aliases.ts";
import { billed } from "../generation/billed.ts";
import { documentTexts } from "../generation/documents.ts";
import { readingShape } from "../generation/naming.ts";
import { rankFieldsIn, rankShape, rerankBy } from "../generation/reranked.ts";
import { truncateOf, truncateShape } from "../generation/truncate-fields.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";
import type { ServerContext } from "../server-context.ts";

const rerankInput = ({ maxPrompt, maxTexts }: Limits) => {
  const text = z.string().min(1).max(maxPrompt);
  const document = z.union(
    [text, z.record(z.string(), z.unknown())],
    "expected a non-empty text, or an object with text",
  );
  const shape = {
    ...readingShape,
    ...truncateShape,
    query: text.describe("the query"),
    documents: listOf(document, { of: "documents", min: 1, max: maxTexts })
      .nullish()
      .describe("texts, or objects with a text"),
    texts: listOf(text, { of: "texts", min: 1, max: maxTexts })
      .nullish()
      .describe("replaces documents, as in TEI; the answer is then a list of objects with index and score"),
    return_text: z.boolean().nullish().describe("with texts: return each text with its score"),
    raw_scores: z
      .literal(false, "expected false: scores follow the model's configuration")
      .nullish()
      .describe("only with texts; must be false"),
    top_n: z.int().min(1).nullish().describe("maximum results; default all"),
    ...rankShape,
    return_documents: z.boolean().nullish().describe("return each document with its score"),
    max_tokens_per_doc: z.int().min(1).nullish().describe("maximum tokens of each document, within the model's limit"),
    max_chunks_per_doc: z
      .literal(1, "expected 1: a document is read once, up to the model's limit")
      .nullish()
      .describe("the only accepted value"),
    rank_fields: listOf(z.string().min(1).max(200), { of: "names", min: 1, max: 100 })
      .nullish()
      .describe("fields of document objects to read; default text"),
  };
  return z.object(shape).superRefine(({ documents, texts }, { addIssue }) => {
    if (!documents === !texts)
      addIssue({ code: "custom", path: ["documents"], message: "expected either documents or texts" });
  });
};
type RerankInput = z.output<ReturnType<typeof rerankInput>>;

const result = z.object({
  index: z.int(),
  relevance_score: z.number(),
  document: z.looseObject({ text: z.string().optional() }).optional(),
});
const meta = z.object({
  api_version: z.object({ version: z.string() }),
  billed_units: z.object({ search_units: z.int() }),
});
const teiResult = z.object({ index: z.int(), score: z.number(), text: z.string().optional() });
const output = z.union([
  z.object({ id: z.string(), model: z.string(), results: z.array(result), meta, ...billedShape }),
  z.array(teiResult).describe("for a request with texts"),
]);

const how =
  "by a cross-encoder, by the cosines of embeddings, by a generating model's yes and no, or listwise, such as smollm2+first";

/**
 * `POST /v1/rerank`, as in Cohere's first API and Jina's, and `/v2/rerank`, as in Cohere's second: they differ in
 * `meta`. A request with `texts` gets TEI's response format.
 */
export const rerank = (context: ServerContext): Endpoint[] => [
  version(context, "1", ["/v1/rerank", "/rerank"]),
  version(context, "2", ["/v2/rerank"]),
];

const version = (context: ServerContext, version: "1" | "2", paths: readonly string[]): Endpoint =>
  endpoint({
    method: "post",
    paths,
    summary: `Rank documents by relevance to a query: ${how}`,
    scope: "infer",
    input: rerankInput(context.limits),
    example: { model: USUAL_RERANKER, query: "fruit", documents: ["An apple a day", "The train is late"] },
    output,
    async handle(request, call) {
      const input = { ...request, model: request.model || usualOf(context) };
      const texts = input.texts ?? documentTexts(input.documents!, input.rank_fields, context.limits);
      const { scores, receipt } = await scored(context, input, texts, call);
      if (input.texts) return inTeiForm(input, scores);
      return {
        id: randomUUID(),
        model: input.model,
        results: ranked(input, scores),
        meta: { api_version: { version }, billed_units: { search_units: 1 } },
        usage: usageOf(receipt),
        receipt,
      };
    },
  });

/** The default model on a server with several models: the default reranker, if it is served. */
const usualOf = ({ catalogue }: ServerContext): string =>
  catalogue.list().some(({ id }) => id === USUAL_RERANKER) ? USUAL_RERANKER : "";

async function scored(context: ServerContext, input: RerankInput, texts: readonly string[], call: Call) {
  const ranker = context.catalogue.ranker(input.model);
  if (ranker && input.max_tokens_per_doc)
    throw new HttpError(400, "a listwise reranker cuts by words; set maxPassageWords in the model's name", {
      param: "max_tokens_per_doc",
    });
  if (ranker) return rerankBy(context, ranker, call, input, { query: input.query, documents: texts });
  const [param] = rankFieldsIn(input)[0] ?? [];
  if (param !== undefined)
    throw new HttpError(400, `only listwise rerankers use ${param}, and ${input.model} scores documents one by one`, {
      param,
    });
  const choice = await context.catalogue.choose(input);
  return billed(context, choice, { ...call, body: input }, (model, terms) =>
    model.relevance(input.query, texts, {
      ...terms,
      save: choice.recipe,
      maxTokensPerText: input.max_tokens_per_doc ?? undefined,
      truncate: input.max_tokens_per_doc ? true : truncateOf(input),
    }),
  );
}

/** The results by score, the best first; ties keep their order. */
const bestFirst = (scores: readonly number[], most: number | null | undefined) =>
  scores
    .map((score, index) => ({ index, score }))
    .sort((a, b) => b.score - a.score)
    .slice(0, most ?? scores.length);

const ranked = ({ documents, top_n: most, return_documents: back }: RerankInput, scores: readonly number[]) =>
  bestFirst(scores, most).map(({ index, score }) => ({
    ...{ index, relevance_score: score },
    ...(back && { document: documentBack(documents![index]!) }),
  }));

const documentBack = (document: NonNullable<RerankInput["documents"]>[number]) =>
  typeof document === "string" ? { text: document } : document;

const inTeiForm = ({ texts, top_n: most, return_text: back }: RerankInput, scores: readonly number[]) =>
  bestFirst(scores, most).map((ranked) => ({ ...ranked, ...(back && { text: texts![ranked.index]! }) }));
