import path from "node:path";
import { z } from "zod";
import { checkSavings } from "../../engine/file/check-savings.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import {
  chosenRecipe,
  listedSteps,
  type RegisteredRecipe,
  recipeName,
  registerRecipe,
  unregisterRecipe,
} from "../../savings/registered.ts";
import { savingsField } from "../generation/naming.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { refusePaths } from "../models/catalogue.ts";
import type { ServerContext } from "../server-context.ts";

const recipe = z.object({
  name: z.string().describe("the name that requests use as model"),
  recipe: z.array(z.string()).describe("its savings as registered, with every option whose default has changed since"),
  adapter: z.string().optional().describe("the folder name of the LoRA adapter for every request"),
  evidence: z
    .object({ task: z.string(), metric: z.string(), quality: z.number(), delta: z.number(), flops_saved: z.number() })
    .optional()
    .describe("what the lab measured, if it picked the recipe"),
});

function listed(name: string, entry: RegisteredRecipe): z.output<typeof recipe> {
  const { adapter, evidence } = entry;
  const own = { name, recipe: listedSteps(entry), ...(adapter && { adapter: path.basename(adapter.folder) }) };
  if (!evidence) return own;
  const { task, metric, quality, delta, flops_saved } = evidence;
  return { ...own, evidence: { task, metric, quality, delta, flops_saved } };
}

/** `GET /v1/recipes`. */
export const recipes = ({ catalogue }: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/recipes"],
    summary: "List the recipes registered for this server's models, with their measurements",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(recipe) }),
    async handle() {
      const data = (await catalogue.recipes()).map(([name, entry]) => listed(name, entry));
      return { object: "list", data };
    },
  });

/** `POST /v1/recipes`. */
export const addRecipe = ({ catalogue }: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/recipes"],
    summary: "Register a recipe, or replace it; requests use it as MODEL@NAME",
    scope: "admin",
    input: z.object({
      name: recipeName.describe("the recipe's name, after the model and @"),
      model: z.string("expected a model's name").max(300).describe("the name of the recipe's model on this server"),
      savings: savingsField.describe("savings, each name or name:key=value,…; an empty list is dense"),
    }),
    output: recipe.extend({
      replaced: z.array(z.string()).optional().describe("the savings that this name had before, if any"),
    }),
    async handle({ name, model, savings }) {
      const full = `${model}@${name}`;
      const served = catalogue.offered(model);
      const steps = parseRecipe(savings);
      refusePaths(steps, "only the command line may register: `modicum recipes add`");
      const entry = chosenRecipe(served.model, await checkSavings(served.source, steps));
      const replaced = await registerRecipe(full, entry);
      return { ...listed(full, entry), ...(replaced && { replaced: listedSteps(replaced) }) };
    },
  });

/** `DELETE /v1/recipes/{name}`, if the server offers the recipe's model. */
export const deleteRecipe = ({ catalogue }: ServerContext): Endpoint =>
  endpoint({
    method: "delete",
    paths: ["/v1/recipes/{name}"],
    params: { name: "the name in requests, MODEL@NAME" },
    summary: "Delete a registered recipe, MODEL@NAME",
    scope: "admin",
    output: z.object({ name: z.string(), object: z.literal("recipe"), deleted: z.literal(true) }),
    async handle(_, { params }) {
      const name = params["name"]!;
      if (!(await catalogue.recipes()).some(([known]) => known === name))
        throw new HttpError(404, `no recipe is called "${name.slice(0, 100)}" here`, { code: "recipe_not_found" });
      await unregisterRecipe(name);
      return { name, object: "recipe", deleted: true };
    },
  });
