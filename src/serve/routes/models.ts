import { z } from "zod";
import { type KindName, kinds } from "../../engine/kinds/index.ts";
import { recipeOf } from "../../pipelines/pipeline.ts";
import { rankPipelines, textPipelines } from "../../pipelines/registry.ts";
import { listedSteps } from "../../savings/registered.ts";
import { quants } from "../../weights/prepared/quant.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { kindOfServed, type ServedModel } from "../models/served.ts";
import type { ServerContext } from "../server-context.ts";

/** The fields in which pipelines list their models. */
const listedFields = Object.fromEntries(
  [...textPipelines, ...rankPipelines].flatMap(({ listed }) =>
    listed ? [[listed.field, listed.schema.optional()]] : [],
  ),
) as Record<never, never>;

const model = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.literal("modicum"),
  bytes: z.int().describe("size of its files"),
  kind: z
    .enum(kinds.map(({ name }) => name))
    .optional()
    .describe("the kind: decoder, encoder …; absent for other servers' models and for pipelines"),
  recipe: z.array(z.string()).describe("a registered recipe's savings; empty is dense"),
  parent: z.string().optional().describe("the model that a recipe or an adapter belongs to and shares in memory"),
  ...listedFields,
  models: z.record(z.string(), z.string()).optional().describe("the models of another pipeline, by role"),
  recipes: z.array(z.string()).describe("the recipes registered for a model; each also has its own entry"),
  loaded: z
    .array(z.object({ quant: z.enum(quants), users: z.int() }))
    .describe("copies in memory, shared by all recipes: form of the weights and running requests"),
  servers: z
    .object({ all: z.int(), up: z.int(), running: z.int() })
    .optional()
    .describe("a model on other servers: how many servers, how many are up, and running requests"),
});
type ModelEntry = z.output<typeof model>;

/** `GET /v1/models`: the models on offer, each once, their registered recipes and adapters, and which are in memory; then the server's pairs, listwise rerankers, and planners with executors. */
export const models = (context: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/models"],
    summary: "List models with their registered recipes, and show which are in memory",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(model) }),
    handle: async () => ({ object: "list", data: await listed(context) }),
  });

/** `GET /v1/models/{id}`. */
export const oneModel = (context: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/models/{id}"],
    params: { id: "the name of a model or an adapter, or a registered recipe such as smollm2@fast" },
    summary: "Show one model",
    scope: "infer",
    output: model,
    async handle(_, { params }) {
      const found = (await listed(context)).find(({ id }) => id === params["id"]);
      if (!found) await context.catalogue.choose({ model: params["id"]! });
      return found!;
    },
  });

async function listed({ catalogue, pool, fleet, started }: ServerContext): Promise<ModelEntry[]> {
  const created = Math.floor(started.getTime() / 1000);
  const base = { object: "model", created, owned_by: "modicum" } as const;
  const [registered, held] = [await catalogue.recipes(), pool.list()];
  const own = catalogue.list().map((model) => ({
    ...{ id: model.id, ...base, bytes: model.source.bytes, ...kindOf(model), recipe: [] },
    recipes: registered.filter(([, entry]) => entry.served === model).map(([name]) => name),
    loaded: held.filter(({ id }) => id === model.id).map(({ quant, users }) => ({ quant, users })),
  }));
  const recipes = registered.map(([id, { served, quant = served.quant, ...entry }]) => ({
    ...{
      id,
      ...base,
      bytes: served.source.bytes,
      ...kindOf(served),
      recipe: listedSteps(entry),
      parent: served.id,
      recipes: [],
    },
    loaded: own.find((model) => model.id === served.id)!.loaded.filter((copy) => copy.quant === quant),
  }));
  const adapters = catalogue.list().flatMap((served) =>
    served.adapters.map(({ name, bytes }) => ({
      ...{ id: name, ...base, bytes, ...kindOf(served), recipe: [], parent: served.id, recipes: [] },
      loaded: own.find((model) => model.id === served.id)!.loaded,
    })),
  );
  const remote = fleet.list().map(({ options, servers, running }) => ({
    ...{ id: options.name, ...base, bytes: 0, recipe: [], recipes: [], loaded: [] },
    servers: { all: servers.length, up: servers.filter(({ up }) => up).length, running },
  }));
  const pipelines = [...catalogue.texts, ...catalogue.rankers].map((named) => ({
    ...{ id: named.name, ...base, bytes: 0, recipe: [recipeOf(named)], recipes: [], loaded: [] },
    [named.pipeline.listed?.field ?? "models"]: named.pipeline.listed?.of?.(named) ?? { ...named.roles },
  }));
  return [...own, ...recipes, ...adapters, ...remote, ...pipelines];
}

/** A model's kind; absent if its file is now missing or damaged. */
function kindOf(model: ServedModel): { readonly kind?: KindName } {
  try {
    return { kind: kindOfServed(model) };
  } catch {
    return {};
  }
}
