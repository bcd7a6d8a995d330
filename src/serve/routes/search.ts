import { z } from "zod";
import type { ReadOptions, SearchIndex, SearchOptions } from "../../index.ts";
import type { Model } from "../../library/model.ts";
import type { EmbeddingModel } from "../../library/open-index.ts";
import { searchOptions } from "../../library/search-index.ts";
import type { TextIndex } from "../../pipelines/resources.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { leastOf } from "../keys/terms.ts";
import type { Limits } from "../limits.ts";
import type { ModelChoice } from "../models/served.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";

const { by, top } = searchOptions.shape;

const inputOf = ({ maxPrompt }: Limits) =>
  z.object({
    index: z.string().min(1).max(100).describe("the name of an index on the server (--index)"),
    query: z.string().min(1).max(maxPrompt).describe("the query"),
    by: by.nullish().describe(by.description!),
    top: top.nullish().describe(`${top.description}; default 10`),
    max_flops: z.number().positive().nullish().describe("maximum FLOPs of the query's embedding"),
  });
type SearchInput = z.output<ReturnType<typeof inputOf>>;

const result = z.object({
  id: z.string(),
  title: z.string(),
  text: z.string().describe("the document's best chunk"),
  score: z.number(),
  categories: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
});

/** `POST /v1/search`. */
export const search = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/search"],
    summary: "Search an index by terms (BM25), by vectors, or by both",
    scope: "infer",
    input: inputOf(context.limits),
    example: { index: "notes", query: "trains that are late", top: 3 },
    output: z.object({ object: z.literal("list"), index: z.string(), results: z.array(result), ...billedShape }),
    async handle(input, call) {
      const index = context.indexes.find(input.index, call.key);
      const { results, receipt } = await searched(context, index, input, call);
      return { object: "list", index: index.name, results, usage: usageOf(receipt), receipt };
    },
  });

async function searched(context: ServerContext, index: SearchIndex, input: SearchInput, call: Call) {
  const by = input.by ?? index.usual;
  const model = by === "bm25" ? "bm25" : embedderOf(context, index).served.id;
  using bill = billFor(context, model, call);
  const ceiling = { flops: leastOf(input.max_flops, call.key?.terms.maxFlops) };
  const request = { query: input.query, by, top: input.top ?? undefined };
  const { results, receipt } = await searchIn(context, index, request, call, {
    ...bill.terms,
    signal: call.signal,
    ceiling,
  });
  bill.add(receipt);
  return { results, receipt: bill.close("stop") };
}

/** An index as pipelines see it. @throws HttpError if it is missing */
export function pooledIndex(context: ServerContext, name: string, call: Call): TextIndex {
  const index = context.indexes.find(name, call.key);
  return {
    name,
    counts: () => index.counts(),
    hasCategories: () => index.hasCategories(),
    meanTerms: () => index.meanTerms(),
    search: (query, { by, top, ...terms }) => searchIn(context, index, { query, by, top }, call, terms),
  };
}

/** Searches an index with the server's own embedding model, as a part of a request. @throws HttpError, UserError */
async function searchIn(
  context: ServerContext,
  index: SearchIndex,
  { query, by = index.usual, top }: { query: string } & Pick<SearchOptions, "by" | "top">,
  call: Call,
  terms: ReadOptions,
) {
  const choice = by === "bm25" ? undefined : embedderOf(context, index);
  using lease = choice && (await leaseFor(context, choice, call));
  const model = async () => lease && choice && embeddingModel(context, lease.model, index, choice);
  return await index.searchWith(model, query, { by, top }, terms);
}

/** The index's embedding model, found among this server's models. @throws HttpError if it is not served */
function embedderOf({ catalogue }: ServerContext, { name, settings }: SearchIndex): ModelChoice {
  const { embedding } = settings;
  if (!embedding) throw new HttpError(400, `the index ${name} has no vectors; search it with bm25`, { param: "by" });
  const served = catalogue.list().find(({ id, model }) => model === embedding.name || id === embedding.name);
  if (served) return { served, recipe: [], quant: served.quant };
  const message = `the index ${name} has vectors of a model that this server does not serve; search it with bm25`;
  throw new HttpError(400, message, { param: "by" });
}

/** Leases a model for an index, under the name that the index was created with. */
async function embeddingModel(
  { catalogue }: ServerContext,
  model: Model,
  { settings }: SearchIndex,
  { served }: ModelChoice,
): Promise<EmbeddingModel> {
  return {
    identity: {
      name: settings.embedding!.name,
      sha256: await catalogue.hashOf(served.source),
      width: model.encoder.width,
    },
    embed: (texts, terms) => model.embed(texts, terms),
    [Symbol.dispose]() {},
  };
}
