import path from "node:path";
import { z } from "zod";
import { OptionError } from "../../util/errors.ts";
import { type Combination, combinationTypes, seededMask, signMethods } from "../../weights/adapter/combine.ts";
import { mergeAdapters, type WeightedAdapter, writeMerged } from "../../weights/adapter/merged.ts";
import { checkExportFolder, type ExportResult, intoFolder } from "./export-folder.ts";

/** The options of a merge, under PEFT's names. */
export const mergeOptions = z.object({
  combinationType: z
    .enum(combinationTypes)
    .default("cat")
    .describe(
      "how adapters become one: cat (their exact sum; ranks add up), or linear, ties, dare_linear, dare_ties (approximations; ranks must be equal)",
    ),
  density: z.number().gt(0).max(1).optional().describe("the share of values that ties, dare_linear and dare_ties keep"),
  majoritySignMethod: z
    .enum(signMethods)
    .default("total")
    .describe("how ties and dare_ties elect a sign: by the sum of values, or by their number (frequency)"),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe("random seed for the values that dare_linear and dare_ties keep"),
});
type MergeOptions = z.output<typeof mergeOptions>;

/** The combination in the options. @throws UserError if a needed density is missing, or an unused one is given */
export function combinationOf({ combinationType, density, majoritySignMethod, seed }: MergeOptions): Combination {
  const prunes = combinationType !== "cat" && combinationType !== "linear";
  if (prunes && density === undefined)
    throw new OptionError("density", `is missing, expected the share of values that ${combinationType} keeps`, 2);
  if (!prunes && density !== undefined)
    throw new OptionError("density", `is ${density}, but ${combinationType} keeps all values`, 2);
  return { type: combinationType, density: density ?? 1, signs: majoritySignMethod, mask: seededMask(seed) };
}

/**
 * Writes several adapters as one, a PEFT folder.
 * @throws UserError; the folder is then unchanged
 */
export async function mergeIntoAdapter(
  adapters: readonly WeightedAdapter[],
  how: Combination,
  folder: string,
): Promise<ExportResult> {
  const target = path.resolve(folder);
  checkExportFolder(target);
  const merged = mergeAdapters(adapters, how);
  const files = await intoFolder(target, (aside) => writeMerged(aside, merged));
  const numbers = [...merged.lora.updates.values()].map(({ rank, inputs, outputs }) => rank * (inputs + outputs));
  return { folder: target, files, bytes: 4 * numbers.reduce((sum, n) => sum + n, 0) };
}
