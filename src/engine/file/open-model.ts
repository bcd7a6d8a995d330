import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf, type LoadedModel } from "../kinds/index.ts";
import { type AdapterFolders, openAdapted } from "./adapters.ts";

/** Where a model runs, and what changes it. */
export interface Terms extends AdapterFolders {
  readonly device?: Device | undefined;
}

/**
 * Loads a file of any supported kind, to run under `recipe`.
 * @throws UserError if it is not supported, or a kind other than a decoder is to run elsewhere than on the CPU
 */
export async function openModel(
  source: ResolvedModel,
  recipe: Recipe,
  quant: Quant = "auto",
  { device = "cpu", ...adapters }: Terms = {},
  onNotice?: (sentence: string) => void,
): Promise<LoadedModel> {
  const adapted = openAdapted(source.path, adapters);
  const kind = kindOf(adapted.checkpoint);
  if (device !== "cpu" && kind.name !== "decoder")
    throw new UserError(`device ${device} runs decoders, and ${source.name} is another kind of model: ${kind.name}`, 2);
  return kind.open({ source, adapted, recipe, quant, device, onNotice });
}
