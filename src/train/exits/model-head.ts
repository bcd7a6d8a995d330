import { openAdapted } from "../../engine/file/adapters.ts";
import type { Decoder } from "../../models/decoder.ts";
import { decoderArchitecture, openDecoder } from "../../models/registry.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder } from "../../weights/sources/index.ts";
import { LoraWeights } from "../lora-weights.ts";

/** A model's final norm and head in graphs that have gradients: its weights are inputs, bound to their files. */
export interface FrozenModel {
  readonly decoder: Decoder;
  readonly weights: LoraWeights;
}

/** Opens a model's file as `FrozenModel`. @throws UserError */
export function openFrozen(file: string, quant: Quant): FrozenModel {
  const { checkpoint } = openAdapted(file, {});
  const { weights: frozen } = openDecoder(checkpoint, preparedFolder(file), quant);
  const weights = new LoraWeights(frozen, { rank: 1, alpha: 1, targets: "" });
  return { decoder: decoderArchitecture(checkpoint).open(weights), weights };
}
