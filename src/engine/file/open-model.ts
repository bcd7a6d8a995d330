import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { judged, kindOf, knownKind, type LoadedModel } from "../kinds/index.ts";
import { type AdapterFolders, openAdapted } from "./adapters.ts";

/** The device that a model runs on, and its adapters. */
export interface Terms extends AdapterFolders {
  readonly device?: Device | undefined;
}

/** True if a model is of a kind that runs on the device. */
export const runsOn = ({ path }: ResolvedModel, device: Device): boolean =>
  device === "cpu" || knownKind(openCheckpoint(path))?.devices?.includes(device) === true;

/**
 * Loads a file of any supported kind, to run under `recipe`.
 * @throws UserError if the file is not supported, or its kind does not run on the device
 */
export async function openModel(
  source: ResolvedModel,
  recipe: Recipe,
  quant: Quant = "auto",
  { device = "cpu", ...adapters }: Terms = {},
  onNotice?: (sentence: string) => void,
): Promise<LoadedModel> {
  const files = await judged(() => openAdapted(source.path, adapters));
  const kind = await kindOf(files.checkpoint);
  if (device !== "cpu" && !kind.devices?.includes(device))
    throw new UserError(
      `${source.name} runs only on the CPU, like every ${kind.name}; expected a decoder for ${device}`,
      2,
    );
  return (await kind.load()).open({ source, adapted: files, recipe, quant, device, onNotice });
}
