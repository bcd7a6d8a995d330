import { z } from "zod";
import { savings as all } from "../../savings/registry.ts";
import { seams } from "../../savings/seams.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const saving = z.object({
  name: z.string(),
  group: z.string(),
  summary: z.string(),
  options: z.record(z.string(), z.unknown()).describe("JSON schema"),
  needs: z.array(z.enum(seams)),
});

/** `GET /v1/savings`. */
export const savings = (): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/savings"],
    summary: "Lists the ways to spend less, with their options",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(saving) }),
    async handle() {
      const data = all.map(({ name, group, summary, options, needs }) => ({
        ...{ name, group, summary, needs },
        options: z.toJSONSchema(options, { io: "input" }),
      }));
      return { object: "list", data };
    },
  });

const recipe = z.object({
  name: z.string(),
  recipe: z.array(z.string()),
  evidence: z
    .object({ task: z.string(), metric: z.string(), quality: z.number(), delta: z.number(), flops_saved: z.number() })
    .describe("what the lab measured"),
});

/** `GET /v1/recipes`. */
export const recipes = ({ catalogue }: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/recipes"],
    summary: "Lists the recipes that are registered for the models on offer, with what speaks for them",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(recipe) }),
    async handle() {
      const data = (await catalogue.recipes()).map(([name, entry]) => {
        const { task, metric, quality, delta, flops_saved } = entry.evidence;
        return { name, recipe: entry.recipe, evidence: { task, metric, quality, delta, flops_saved } };
      });
      return { object: "list", data };
    },
  });
