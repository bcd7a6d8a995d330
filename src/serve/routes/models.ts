import { z } from "zod";
import { quants } from "../../weights/prepared/quant.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const model = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.literal("modicum"),
  bytes: z.int().describe("of its files"),
  recipes: z
    .array(
      z.object({
        name: z.string().describe("as requests name it in the place of a model"),
        recipe: z.array(z.string()).describe("its savings; empty is dense"),
        quant: z.enum(quants).describe("form of the weights that it runs with"),
      }),
    )
    .describe("registered for the model"),
  loaded: z
    .array(z.object({ quant: z.enum(quants), users: z.int() }))
    .describe("in memory, once for all recipes: in which form of the weights, with how many requests at work"),
  servers: z
    .object({ all: z.int(), up: z.int(), running: z.int() })
    .optional()
    .describe("of a model that other servers run: how many there are and how many answer, and requests at work"),
});
type Listed = z.output<typeof model>;

/** `GET /v1/models`: the models on offer, each once, with the recipes registered for it and whether it is in memory. */
export const models = (house: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/models"],
    summary: "Lists the models on offer with their registered recipes, and which are in memory",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(model) }),
    handle: async () => ({ object: "list", data: await listed(house) }),
  });

/** `GET /v1/models/{id}`. */
export const oneModel = (house: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/models/{id}"],
    params: { id: "a model's name, or a registered recipe's, as smollm2@fast" },
    summary: "Shows one model; of a registered recipe, the model that it is for, with this recipe alone",
    scope: "infer",
    output: model,
    async handle(_, { params }) {
      const id = params["id"]!;
      const all = await listed(house);
      const found = all.find((listed) => listed.id === id) ?? all.flatMap((listed) => underRecipe(listed, id))[0];
      if (!found) await house.catalogue.choose({ model: id });
      return found!;
    },
  });

/** The model as the recipe of that name, with the form of the weights that it runs with; empty if it has no such recipe. */
function underRecipe({ recipes, loaded, ...about }: Listed, id: string): Listed[] {
  const own = recipes.filter(({ name }) => name === id);
  return own.map((recipe) => ({
    ...{ ...about, id, recipes: [recipe] },
    loaded: loaded.filter(({ quant }) => quant === recipe.quant),
  }));
}

async function listed({ catalogue, pool, fleet, started }: House): Promise<Listed[]> {
  const created = Math.floor(started.getTime() / 1000);
  const base = { object: "model", created, owned_by: "modicum" } as const;
  const [registered, held] = [await catalogue.recipes(), pool.list()];
  const own = catalogue.list().map((served) => ({
    ...{ id: served.id, ...base, bytes: served.source.bytes },
    recipes: registered
      .filter(([, entry]) => entry.served === served)
      .map(([name, { recipe, quant = served.quant }]) => ({ name, recipe, quant })),
    loaded: held.filter(({ id }) => id === served.id).map(({ quant, users }) => ({ quant, users })),
  }));
  const remote = fleet.list().map(({ options, servers, running }) => ({
    ...{ id: options.name, ...base, bytes: 0, recipes: [], loaded: [] },
    servers: { all: servers.length, up: servers.filter(({ up }) => up).length, running },
  }));
  return [...own, ...remote];
}
