import { z } from "zod";
import type { FirstInput } from "../pipelines/first/options.ts";
import { byScore } from "../pipelines/first/order.ts";
import type { NamedRank, RankRequest, Reranked } from "../pipelines/rank-pipeline.ts";
import { rankPipelineNamed } from "../pipelines/registry.ts";
import type { Resources } from "../pipelines/resources.ts";
import { registeredAs } from "../savings/registered.ts";
import { UserError } from "../util/errors.ts";
import { USUAL_RERANKER } from "../weights/sources/aliases.ts";
import { checkModel } from "../weights/sources/index.ts";
import { checkArgument, modelName, pipelineOptions, readOptions, text, texts } from "./arguments.ts";
import { identityNamed } from "./identity.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { LoadOptions, ReadOptions } from "./options.ts";

export interface RerankerOptions extends Omit<LoadOptions, "save" | "adapters"> {
  /** Options besides those in the name: `{ windowSize: 10 }`. An `adapter` replaces the bundled one. */
  first?: FirstInput;
}

const rerankerOptions = pipelineOptions.omit({ route: true, calibration: true, onDegraded: true }).extend({
  first: z.custom<FirstInput>((it) => typeof it === "object" && it !== null, "expected options by name").optional(),
  adapter: z.string("expected a folder").optional(),
});

/**
 * Opens a reranker: a MODEL that scores texts one by one (default: the cross-encoder `ms-marco`), or one that reads lists,
 * `MODEL+first@windowSize=10`, whose presorting encoder is loaded with the first list. Missing models are downloaded.
 * @throws UserError
 */
export async function openReranker(
  name: string = USUAL_RERANKER,
  options: RerankerOptions = {},
): Promise<RerankPipeline> {
  const { first, quant, adapter, ...rest } = checkArgument("openReranker's options", rerankerOptions, options);
  const loading = { ...rest, ...(quant && { quant }) };
  const found = rankPipelineNamed(checkArgument("openReranker's name", modelName, name));
  if (found) return openListwise(found, first, { ...loading, adapter });
  if (first)
    throw new UserError(`first: ${name} reads each text by itself; expected MODEL+first, such as smollm2+first`, 2);
  const model = await load(name, { ...loading, adapter });
  return new RerankPipeline(name, model, (request) => byRelevance(model, request));
}

async function openListwise(
  listwise: NamedRank,
  first: FirstInput | undefined,
  { adapter, ...loading }: LoadOptions,
): Promise<RerankPipeline> {
  const { pipeline } = listwise;
  const named = pipeline.under(listwise, { ...first });
  await pipeline.checkNames(named);
  const nameOf = (role: string) => named.roles[role]!;
  const hashOf = async (role: string) => (await identityNamed(nameOf(role), undefined, loading)).sha256;
  const prepared = await pipeline.prepare(named, adapter === undefined ? hashOf : async () => undefined);
  if (prepared.notice !== undefined) loading.onNotice?.(prepared.notice);
  const model = await load(nameOf(pipeline.dense), { ...loading, adapter: adapter ?? prepared.adapter });
  try {
    await pipeline.checkModel(model, prepared);
  } catch (error) {
    model.dispose();
    throw error;
  }
  // A model for another role is loaded when the first list needs it.
  const others = new Map<string, Promise<Model>>();
  const use: Resources["use"] = async (role, work) => {
    if (role === pipeline.dense) return work(model, model.recipe);
    const other = others.get(role) ?? load(nameOf(role), loading);
    others.set(role, other);
    return work(await other, (await other).recipe);
  };
  const free = () => {
    for (const other of others.values())
      void other.then(
        (model) => model.dispose(),
        () => {},
      );
  };
  return new RerankPipeline(named.name, model, (request) => pipeline.rank(named, { use }, request, prepared), free);
}

/** Ranks by each text's own score; ties keep their order. */
async function byRelevance(model: Model, request: RankRequest): Promise<Reranked> {
  const { query, documents, ceiling, ...terms } = request;
  const limit = ceiling === undefined ? {} : { ceiling: { flops: ceiling } };
  const { scores, receipt } = await model.relevance(query, documents, { ...terms, ...limit });
  return { order: byScore(scores), scores, windows: [], receipt };
}

/** Checks the names of a reranker and its models; fetches nothing. @throws UserError */
export async function checkReranker(name: string): Promise<void> {
  const found = rankPipelineNamed(checkArgument("checkReranker's name", modelName, name));
  for (const model of found ? Object.values(found.roles) : [name])
    await checkModel((await registeredAs(model))?.model ?? model);
}

/** A loaded model that orders lists. Dispose of it to free it and any presorting encoder. */
export class RerankPipeline implements Disposable {
  readonly kind = "rerank";

  constructor(
    readonly name: string,
    readonly model: Model,
    private readonly rank: (request: RankRequest) => Promise<Reranked>,
    private readonly free: () => void = () => {},
  ) {}

  /** Orders texts by their relevance to the query. @throws UserError */
  async rerank(query: string, documents: readonly string[], options: ReadOptions = {}): Promise<Reranked> {
    const { ceiling, signal, onStopped, ...terms } = checkArgument("rerank's options", readOptions, options);
    const list = {
      query: checkArgument("rerank's query", text, query),
      documents: checkArgument("rerank's texts", texts, documents),
    };
    const stopping = { ...(signal && { signal }), ...(onStopped && { onStopped }) };
    return this.rank({ ...list, ...terms, ...stopping, ceiling: ceiling?.flops });
  }

  dispose(): void {
    this.model.dispose();
    this.free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
