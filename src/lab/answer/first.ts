import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { load } from "../../library/load.ts";
import { Model } from "../../library/model.ts";
import { OwnResources } from "../../library/text-pipeline.ts";
import type { NamedRank } from "../../pipelines/rank-pipeline.ts";
import { UserError } from "../../util/errors.ts";
import { modelHash } from "../../weights/sources/index.ts";
import type { Answerer, Answering } from "./answerer.ts";
import { bill } from "./pieces.ts";

/**
 * A ranking pipeline and its dense baseline, in which the same models write out the ranking of each window. @throws
 * UserError if the model does not generate, or a letter is not a single token
 */
export async function rankAnswering(loaded: LanguageModel, named: NamedRank): Promise<Answering> {
  const { pipeline, roles } = named;
  const model = await Model.open(loaded, [], performance.now());
  const models: Record<string, Model> = { [pipeline.dense]: model };
  for (const [role, name] of Object.entries(roles)) models[role] ??= await load(name);
  const own = new OwnResources(roles, models);
  return {
    under: (recipe) => answererOf(recipe.length === 0 ? pipeline.under(named, pipeline.written) : named, own, model),
    [Symbol.dispose]() {
      for (const each of Object.values(models)) each.dispose();
    },
  };
}

/** Ranks lists with a pipeline. The caller disposes of the models. */
async function answererOf(named: NamedRank, models: OwnResources, model: Model): Promise<Answerer> {
  const { pipeline, name } = named;
  const { language } = model;
  const prepared = await pipeline.prepare(named, () => modelHash(language.source));
  await pipeline.checkModel(model, prepared);
  return {
    countTokens: (text) => language.encode(text, true).length,
    plan(item) {
      if (item.kind !== "ranking")
        throw new UserError(`${name} ranks documents; the task's kind is ${item.kind}, expected ranking`);
      const { query, documents } = item;
      const texts = documents.map(({ text }) => text);
      return async (signal) => {
        // No query reuses an earlier query's cache.
        language.engine.forget();
        const request = { query, documents: texts, ...(signal && { signal }) };
        const { order, receipt } = await pipeline.rank(named, models, request, prepared);
        return { answer: { order: order.map((i) => documents[i]!.id) }, ...bill(receipt) };
      };
    },
    [Symbol.dispose]() {},
  };
}
