import { z } from "zod";
import { catalogue } from "../../library/catalogue.ts";
import { seams } from "../../savings/seams.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import type { ServerContext } from "../server-context.ts";

const listed = z.object({
  kind: z
    .enum(["saving", "pipeline", "method"])
    .describe("a saving acts inside a model, a pipeline around models, and a method in training"),
  name: z.string(),
  group: z.string(),
  summary: z.string(),
  options: z.record(z.string(), z.unknown()).describe("JSON schema"),
  needs: z.array(z.enum(seams)).readonly(),
  models: z.array(z.string()).describe("models on this server that support the saving without options"),
});

/** `GET /v1/savings`. */
export const savings = (context: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/savings"],
    summary: "List savings, pipelines and methods with their options, and the models here that take each saving",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(listed) }),
    handle: async () => ({ object: "list", data: await withModels(context) }),
  });

async function withModels({ catalogue: models }: ServerContext): Promise<z.input<typeof listed>[]> {
  const takers = await Promise.all(
    models.list().map(async (model) => ({ id: model.id, taken: await models.savingsOf(model) })),
  );
  return (await catalogue()).map((one) => ({
    ...one,
    models: takers.filter(({ taken }) => one.kind === "saving" && taken.includes(one.name)).map(({ id }) => id),
  }));
}
