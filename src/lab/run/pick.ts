import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Registered } from "../../savings/registered.ts";
import { UserError } from "../../util/errors.ts";
import { readJson } from "../../weights/json-file.ts";
import { type RecipeSummary, type Summary, summarySchema } from "../results.ts";
import { summaryFile } from "./folder.ts";

/** What a recipe is to reach: a change of quality that is not worse, or a share of FLOPs that is not smaller. */
export type Wanted = { readonly quality: number } | { readonly saving: number };

/** The summary of a run's folder. @throws UserError when there is none */
export async function readSummary(folder: string): Promise<Summary> {
  return readJson(summaryFile(folder), summarySchema, "the summary of a lab run");
}

/**
 * The recipe to deploy: of those that lose no more quality against dense than `quality` (-0.01) says, the one that saves most; or of those
 * that save at least `saving` (0.3), the best one. @throws UserError when there is none
 */
export function pick({ recipes, metric: { name, better } }: Summary, wanted: Wanted): RecipeSummary {
  const gain = ({ delta }: RecipeSummary) => (better === "higher" ? delta.mean : -delta.mean);
  const first = (order: (r: RecipeSummary) => number) => recipes.toSorted((a, b) => order(b) - order(a));
  if ("quality" in wanted) {
    const found = first((r) => r.flops_saved).find((r) => gain(r) >= wanted.quality);
    if (found) return found;
    throw new UserError(`no recipe changes ${name} by ${wanted.quality} or better; dense itself changes it by 0`);
  }
  const found = first(gain).find((r) => r.flops_saved >= wanted.saving);
  if (found) return found;
  const most = Math.max(...recipes.map((r) => r.flops_saved));
  throw new UserError(`no recipe saves ${wanted.saving} of dense's FLOPs; the most is ${most.toFixed(3)}`);
}

/** What is registered of a recipe that was picked from a run's folder. */
export async function evidenced(folder: string, summary: Summary, picked: RecipeSummary): Promise<Registered> {
  const file = path.resolve(summaryFile(folder));
  const sha256 = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  const { quality, delta, flops_saved } = picked;
  return {
    ...{ model: summary.model, model_hash: summary.model_hash },
    recipe: picked.recipe === "dense" ? [] : picked.recipe.split(" "),
    evidence: {
      file,
      sha256,
      task: summary.task,
      metric: summary.metric.name,
      quality,
      delta: delta.mean,
      flops_saved,
    },
    created: new Date().toISOString(),
  };
}
