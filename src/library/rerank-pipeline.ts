import { z } from "zod";
import { type Reranked, rerank } from "../pipelines/first/first.ts";
import type { RankModel } from "../pipelines/first/model.ts";
import {
  checkPresort,
  type FirstInput,
  type FirstName,
  parseFirst,
  presortModel,
  withOptions,
} from "../pipelines/first/options.ts";
import { optionsWith, trainedFor } from "../pipelines/first/trained.ts";
import { WindowRanker } from "../pipelines/first/window.ts";
import type { Recipe } from "../savings/recipe.ts";
import { registeredAs } from "../savings/registered.ts";
import { UserError } from "../util/errors.ts";
import { checkModel, type ResolveOptions } from "../weights/sources/index.ts";
import { given, modelName, pipelineOptions, readOptions, text, texts } from "./arguments.ts";
import { priceOfPrompt, priceOfSteps } from "./dense-price.ts";
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
  const { first = {}, quant, ...rest } = given("openReranker's options", rerankerOptions, options);
  const named = withOptions(rerankerNamed(given("openReranker's name", modelName, name)), first);
  await checkPresort(named.options);
  const loading = { ...rest, ...(quant && { quant }) };
  const trained = rest.adapter === undefined ? await trainedWith(named, rest) : undefined;
  if (trained?.notice !== undefined) rest.onNotice?.(trained.notice);
  const merged = { ...named, options: optionsWith(named, trained) };
  const model = await load(named.model, { ...loading, adapter: rest.adapter ?? trained?.folder });
  try {
    return new RerankPipeline(merged, model, () => load(merged.options.presort, { ...loading, adapter: undefined }));
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Checks a reranker's name and those of its models; fetches nothing. @throws UserError */
export async function checkReranker(name: string): Promise<void> {
  const { model, options } = rerankerNamed(given("checkReranker's name", modelName, name));
  for (const each of [model, presortModel(options)])
    if (each !== undefined) await checkModel((await registeredAs(each))?.model ?? each);
}

function rerankerNamed(name: string): FirstName {
  const named = parseFirst(name);
  if (!named) throw new UserError(`"${name}" is no reranker; expected MODEL+first, such as smollm2+first`, 2);
  return named;
}

/** The adapter that comes with the model. Missing files are downloaded. */
async function trainedWith({ model, options }: FirstName, resolving: ResolveOptions) {
  const { sha256 } = await identityNamed(model, undefined, resolving);
  return trainedFor(sha256, options);
}

/** A loaded model that orders lists, and the encoder that presorts them, if one does. Dispose of it to free both. */
export class RerankPipeline implements Disposable {
  readonly kind = "rerank";
  readonly name: string;
  readonly #ranker: WindowRanker;
  #presorter: Promise<Model> | undefined;

  /** @throws UserError if the model does not generate, or has no tokens for letters alone */
  constructor(
    private readonly named: FirstName,
    readonly model: Model,
    private readonly openPresorter: () => Promise<Model>,
  ) {
    this.name = named.name;
    this.#ranker = new WindowRanker(rankModelOf(model), named.options);
  }

  /** Orders texts by their relevance to the query. @throws UserError */
  async rerank(query: string, documents: readonly string[], options: ReadOptions = {}): Promise<Reranked> {
    const { named } = this;
    const { ceiling, signal, onStopped, ...terms } = given("rerank's options", readOptions, options);
    const [q, all] = [given("rerank's query", text, query), given("rerank's texts", texts, documents)];
    if (presortModel(named.options) !== undefined) this.#presorter ??= this.openPresorter();
    return rerank(this.#ranker, q, all, named.options, {
      ...terms,
      ...(signal && { signal }),
      ...(onStopped && { onStopped }),
      ceiling: ceiling?.flops,
      named: billedAs(named),
      presorter: await this.#presorter,
    });
  }

  dispose(): void {
    this.model.dispose();
    void this.#presorter?.then(
      (model) => model.dispose(),
      () => {},
    );
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A reranker's name and recipe in its receipts. */
export const billedAs = ({ name, given }: FirstName) => ({
  model: name,
  recipe: [given === "" ? "first" : `first:${given}`],
});

/** A loaded model as a reranker sees it, under a recipe. @throws UserError if it does not generate */
export function rankModelOf(model: Model, save: Recipe = model.recipe): RankModel {
  const { language } = model;
  return {
    name: model.name,
    tokenizer: language.tokenizer,
    context: language.decoder.config.context,
    generate: (prompt, terms) => model.generate(prompt, { ...terms, save }),
    pricePrompt: (tokens) => priceOfPrompt(language, tokens),
    priceSteps: (past, steps) => priceOfSteps(language, past, steps),
  };
}
