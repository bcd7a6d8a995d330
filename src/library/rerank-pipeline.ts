import { z } from "zod";
import type { FirstInput } from "../pipelines/first/options.ts";
import type { NamedRank, PreparedRank, Reranked } from "../pipelines/rank-pipeline.ts";
import { rankPipelineNamed } from "../pipelines/registry.ts";
import type { Resources } from "../pipelines/resources.ts";
import { registeredAs } from "../savings/registered.ts";
import { UserError } from "../util/errors.ts";
import { checkModel } from "../weights/sources/index.ts";
import { given, modelName, pipelineOptions, readOptions, text, texts } from "./arguments.ts";
import { identityNamed } from "./identity.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { LoadOptions, ReadOptions } from "./options.ts";

export interface RerankerOptions extends Omit<LoadOptions, "save" | "adapters"> {
  /** Options besides those in the name: `{ windowSize: 10 }`. An `adapter` takes the place of the one that comes with the model. */
  first?: FirstInput;
}

const rerankerOptions = pipelineOptions.omit({ route: true, calibration: true, onDegraded: true }).extend({
  first: z.custom<FirstInput>((it) => typeof it === "object" && it !== null, "expected options by name").optional(),
  adapter: z.string("expected a folder").optional(),
});

/**
 * Opens a listwise reranker by its name, `MODEL+first@windowSize=10`. An encoder that presorts is loaded with the first
 * list. Missing models are downloaded.
 * @throws UserError
 */
export async function openReranker(name: string, options: RerankerOptions = {}): Promise<RerankPipeline> {
  const { first = {}, quant, adapter, ...rest } = given("openReranker's options", rerankerOptions, options);
  const found = rerankerNamed(given("openReranker's name", modelName, name));
  const { pipeline } = found;
  const named = pipeline.under(found, { ...first });
  await pipeline.checkNames(named);
  const nameOf = (role: string) => named.roles[role]!;
  const hashOf = async (role: string) => (await identityNamed(nameOf(role), undefined, rest)).sha256;
  const prepared = await pipeline.prepare(named, adapter === undefined ? hashOf : async () => undefined);
  if (prepared.notice !== undefined) rest.onNotice?.(prepared.notice);
  const loading = { ...rest, ...(quant && { quant }) };
  const model = await load(nameOf(pipeline.dense), { ...loading, adapter: adapter ?? prepared.adapter });
  try {
    await pipeline.checkModel(model, prepared);
    return new RerankPipeline(named, prepared, model, (role) => load(nameOf(role), loading));
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Checks a reranker's name and those of its models; fetches nothing. @throws UserError */
export async function checkReranker(name: string): Promise<void> {
  const { roles } = rerankerNamed(given("checkReranker's name", modelName, name));
  for (const model of Object.values(roles)) await checkModel((await registeredAs(model))?.model ?? model);
}

function rerankerNamed(name: string): NamedRank {
  const named = rankPipelineNamed(name);
  if (!named) throw new UserError(`"${name}" is not a reranker; expected MODEL+first, such as smollm2+first`, 2);
  return named;
}

/** A loaded model that orders lists, and the encoder that presorts them, if one does. Dispose of it to free both. */
export class RerankPipeline implements Disposable {
  readonly kind = "rerank";
  readonly name: string;
  readonly #others = new Map<string, Promise<Model>>();

  constructor(
    private readonly named: NamedRank,
    private readonly prepared: PreparedRank,
    readonly model: Model,
    /** Loads the model of another role, for the first list that needs it. */
    private readonly open: (role: string) => Promise<Model>,
  ) {
    this.name = named.name;
  }

  /** Orders texts by their relevance to the query. @throws UserError */
  async rerank(query: string, documents: readonly string[], options: ReadOptions = {}): Promise<Reranked> {
    const { named, prepared } = this;
    const { ceiling, signal, onStopped, ...terms } = given("rerank's options", readOptions, options);
    const list = { query: given("rerank's query", text, query), documents: given("rerank's texts", texts, documents) };
    const stopping = { ...(signal && { signal }), ...(onStopped && { onStopped }) };
    const request = { ...list, ...terms, ...stopping, ceiling: ceiling?.flops };
    return named.pipeline.rank(named, { use: this.#use }, request, prepared);
  }

  readonly #use: Resources["use"] = async (role, work) => {
    if (role === this.named.pipeline.dense) return work(this.model, this.model.recipe);
    const other = this.#others.get(role) ?? this.open(role);
    this.#others.set(role, other);
    return work(await other, (await other).recipe);
  };

  dispose(): void {
    this.model.dispose();
    for (const other of this.#others.values())
      void other.then(
        (model) => model.dispose(),
        () => {},
      );
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
