import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { load } from "../../library/load.ts";
import { Model } from "../../library/model.ts";
import { billedAs, rankModelOf } from "../../library/rerank-pipeline.ts";
import { rerank } from "../../pipelines/first/first.ts";
import { type FirstName, type FirstOptions, presortModel } from "../../pipelines/first/options.ts";
import { WindowRanker } from "../../pipelines/first/window.ts";
import type { Recipe, Step } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Item, RankingItem } from "../item.ts";
import type { Answered, Answerer, Answering, Plan } from "./answerer.ts";
import { bill } from "./pieces.ts";
import { pipelineStep } from "./text-pipeline.ts";

/** A listwise reranker as a recipe of the lab; dense writes the rankings of the same windows. */
export const firstStep = (named: FirstName): Step => pipelineStep(FIRST, billedAs(named).recipe[0]!, named.options);

const FIRST = { name: "first", summary: "a list ranked by one token's logits" };

/** @throws UserError if the model does not generate, or has no tokens for letters alone */
export async function firstAnswering(loaded: LanguageModel, named: FirstName): Promise<Answering> {
  const model = await Model.open(loaded, [], performance.now());
  const encoder = presortModel(named.options);
  const presorter = encoder === undefined ? undefined : await load(encoder);
  const method = (recipe: Recipe) => (recipe.length === 0 ? "generate" : named.options.method);
  return {
    under: async (recipe) => new FirstAnswerer(model, presorter, named, { ...named.options, method: method(recipe) }),
    [Symbol.dispose]() {
      presorter?.dispose();
      model.dispose();
    },
  };
}

/** A language model ranks lists, window by window. */
class FirstAnswerer implements Answerer {
  readonly #ranker: WindowRanker;

  constructor(
    private readonly model: Model,
    private readonly presorter: Model | undefined,
    private readonly named: FirstName,
    private readonly options: FirstOptions,
  ) {
    this.#ranker = new WindowRanker(rankModelOf(model), options);
  }

  countTokens(text: string): number {
    return this.model.language.encode(text, true).length;
  }

  plan(item: Item): Plan {
    if (item.kind !== "ranking")
      throw new UserError(`${this.named.name} ranks documents; the task's kind is ${item.kind}, expected ranking`);
    return (signal) => this.#rank(item, signal);
  }

  /** Nothing comes from the cache of an earlier query. */
  async #rank({ query, documents }: RankingItem, signal?: AbortSignal): Promise<Answered> {
    this.model.language.engine.forget();
    const texts = documents.map(({ text }) => text);
    const terms = { named: billedAs(this.named), presorter: this.presorter, ...(signal && { signal }) };
    const { order, receipt } = await rerank(this.#ranker, query, texts, this.options, terms);
    return { answer: { order: order.map((i) => documents[i]!.id) }, ...bill(receipt) };
  }

  /** The model is kept. */
  [Symbol.dispose](): void {}
}
