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
  loaded: z
    .array(z.object({ recipe: z.array(z.string()), quant: z.enum(quants), users: z.int() }))
    .describe("in memory, under which recipes, in which form of the weights, with how many requests at work"),
  servers: z
    .object({ all: z.int(), up: z.int(), running: z.int() })
    .optional()
    .describe("of a model that other servers run: how many there are and how many answer, and requests at work"),
});
type Listed = z.output<typeof model>;

/** `GET /v1/models`: the models on offer and the recipes registered for them, and which are in memory. */
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
  const loaded = (id: string) => pool.list().filter((held) => held.id === id);
  const own = catalogue.list().map(({ id, source: { bytes } }) => ({
    ...{ id, ...base, bytes, recipe: [] },
    loaded: loaded(id).map(({ recipe, quant, users }) => ({ recipe, quant, users })),
  }));
  const registered = (await catalogue.recipes()).map(([id, { recipe, served, quant = served.quant }]) => ({
    ...{ id, ...base, bytes: served.source.bytes, recipe },
    loaded: loaded(served.id)
      .filter((held) => held.recipe.join() === recipe.join() && held.quant === quant)
      .map(({ users }) => ({ recipe, quant, users })),
  }));
  const remote = fleet.list().map(({ options, servers, running }) => ({
    ...{ id: options.name, ...base, bytes: 0, recipe: [], loaded: [] },
    servers: { all: servers.length, up: servers.filter(({ up }) => up).length, running },
  }));
  return [...own, ...registered, ...remote];
}
