import { z } from "zod";
import { aliases } from "../../weights/sources/aliases.ts";
import { type NamedPipeline, recipeOf } from "../pipeline.ts";
import type { PreparedRank, RankPipeline } from "../rank-pipeline.ts";
import type { Lend } from "./first.ts";
import type { Presorter } from "./model.ts";
import {
  checkFirstOptions,
  checkPresort,
  type FirstInput,
  type FirstOptions,
  firstOptions,
  isFirstName,
  notPresort,
  parseFirst,
  presortModel,
  withOptions,
} from "./options.ts";

interface FirstRank extends PreparedRank {
  readonly options: FirstOptions;
}

const { presort } = firstOptions.shape;

/** One model ranks a list, after an optional presort by an encoder. */
const rolesOf = (ranker: string, presorter: string | undefined) =>
  presorter === undefined ? { ranker } : { ranker, presorter };

const optionsOf = ({ values }: NamedPipeline): FirstOptions => checkFirstOptions(values);

export const first: RankPipeline<FirstRank> = {
  name: "first",
  group: "reranking",
  summary: "rerank by the logits of one position: --model MODEL+first",
  options: async () => firstOptions,
  naming: {
    is: isFirstName,
    kind: "a reranker",
    form: "MODEL+first",
    takers: "`rerank` and openReranker",
  },
  listed: {
    field: "reranker",
    schema: z
      .object({ model: z.string(), presort: z.string() })
      .describe("a listwise reranker: the model that ranks, and the presort: bm25, an encoder, or none"),
    of: (named) => ({ model: named.roles["ranker"], presort: optionsOf(named).presort }),
  },
  fields: {
    rank_end: {
      option: "rankEnd",
      schema: z
        .int()
        .min(1)
        .nullish()
        .describe("for a listwise reranker: documents to reorder, after the presort; default 20"),
    },
    presort: {
      option: "presort",
      schema: presort.unwrap().nullish().describe(`of a listwise reranker: ${presort.description}`),
    },
  },
  flags: z.object({ presort }),
  written: { method: "generate" },
  parse(model) {
    const named = parseFirst(model);
    if (!named) return undefined;
    const { optionText, values, options } = named;
    return { optionText, values, roles: rolesOf(named.model, presortModel(options)) };
  },
  nameOf: ({ ranker }) => `${ranker}+first`,
  dense: "ranker",
  under(named, more) {
    const { values, optionText, options } = withOptions({ values: named.values as FirstInput }, more);
    const { ranker, presorter } = named.roles;
    const presorts = more["presort"] === undefined ? presorter : presortModel(options);
    return { ...named, values, optionText, roles: rolesOf(ranker!, presorts) };
  },
  checkNames: (named) => checkPresort(optionsOf(named)),
  missing(named, _, reason) {
    const { presort } = optionsOf(named);
    if (!Object.hasOwn(aliases, presort)) return [notPresort(presort), true];
    return [`${named.name} presorts with an encoder, but ${reason}; presort=bm25 needs none`, false];
  },
  async prepare(named, hashOf) {
    const options = optionsOf(named);
    const { optionsWith, trainedFor } = await import("./trained.ts");
    const trained = trainedFor(await hashOf("ranker"), options);
    return {
      options: optionsWith({ values: named.values as FirstInput, options }, trained),
      adapter: trained?.folder,
      notice: trained?.notice,
    };
  },
  async checkModel(model, { options }) {
    const { rankerOf } = await import("./first.ts");
    rankerOf(model, options);
  },
  async rank(named, models, { query, documents, ...terms }, { options }) {
    const { rankerOf, rerank } = await import("./first.ts");
    const lend: Lend = (work) => models.use("ranker", (model, save) => work(rankerOf(model, options, save)));
    const ceiling = { flops: terms.ceiling };
    const relevance: Presorter["relevance"] = (query, texts, turn) =>
      models.use("presorter", (model, save) => model.relevance(query, texts, { ...turn, save, ceiling }));
    const billed = { model: named.name, recipe: [recipeOf(named)] };
    return rerank(lend, query, documents, options, { ...terms, named: billed, presorter: { relevance } });
  },
};
