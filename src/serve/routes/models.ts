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
  recipe: z.array(z.string()).describe("of a registered recipe; empty is dense"),
  parent: z.string().optional().describe("of a registered recipe: the model that it runs on, and shares in memory"),
  pair: z
    .object({ swift: z.string(), super: z.string() })
    .optional()
    .describe("of a pair: the model that begins, and the one that answers what is hard"),
  recipes: z
    .array(z.string())
    .describe("of a model: the recipes that are registered for it, each listed by itself, too"),
  loaded: z
    .array(z.object({ quant: z.enum(quants), users: z.int() }))
    .describe("in memory, once for all recipes: in which form of the weights, with how many requests at work"),
  servers: z
    .object({ all: z.int(), up: z.int(), running: z.int() })
    .optional()
    .describe("of a model that other servers run: how many there are and how many answer, and requests at work"),
});
type Listed = z.output<typeof model>;

/** `GET /v1/models`: the models on offer, each once, and the recipes registered for them, and which are in memory; then the server's pairs. */
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
    summary: "Shows one model",
    scope: "infer",
    output: model,
    async handle(_, { params }) {
      const found = (await listed(house)).find(({ id }) => id === params["id"]);
      if (!found) await house.catalogue.choose({ model: params["id"]! });
      return found!;
    },
  });

async function listed({ catalogue, pool, fleet, started }: House): Promise<Listed[]> {
  const created = Math.floor(started.getTime() / 1000);
  const base = { object: "model", created, owned_by: "modicum" } as const;
  const [registered, held] = [await catalogue.recipes(), pool.list()];
  const own = catalogue.list().map((served) => ({
    ...{ id: served.id, ...base, bytes: served.source.bytes, recipe: [] },
    recipes: registered.filter(([, entry]) => entry.served === served).map(([name]) => name),
    loaded: held.filter(({ id }) => id === served.id).map(({ quant, users }) => ({ quant, users })),
  }));
  const recipes = registered.map(([id, { recipe, served, quant = served.quant }]) => ({
    ...{ id, ...base, bytes: served.source.bytes, recipe, parent: served.id, recipes: [] },
    loaded: own.find((model) => model.id === served.id)!.loaded.filter((copy) => copy.quant === quant),
  }));
  const remote = fleet.list().map(({ options, servers, running }) => ({
    ...{ id: options.name, ...base, bytes: 0, recipe: [], recipes: [], loaded: [] },
    servers: { all: servers.length, up: servers.filter(({ up }) => up).length, running },
  }));
  const pairs = catalogue.pairs.map(({ name, swift, super: strong, given }) => ({
    ...{ id: name, ...base, bytes: 0, recipe: [given === "" ? "route" : `route:${given}`], recipes: [], loaded: [] },
    pair: { swift, super: strong },
  }));
  return [...own, ...recipes, ...remote, ...pairs];
}
