import { openAdapted } from "../../../engine/file/adapters.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import { decoderArchitecture, openDecoder } from "../../../models/registry.ts";
import { Part } from "../../../weights/prepared/part.ts";
import { someFloats } from "../../../weights/prepared/some-rows.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { preparedFolder } from "../../../weights/sources/index.ts";
import { LoraWeights } from "../../graphs/lora-weights.ts";
import { someRowsOf, TracedWeights } from "../../graphs/traced-weights.ts";
import type { TrainableWeights } from "../../graphs/trainable.ts";
import { loraOptions } from "../../options.ts";

/** A model's frozen final norm and head, with their weights as graph inputs. */
export interface ModelHead {
  readonly decoder: Decoder;
  readonly weights: Pick<TrainableWeights, "inputsOf" | "frozenOf">;
  /** Reads a weight in float32, by its canonical name. */
  floats(name: string): Float32Array;
}

/** A model's frozen head in two forms, for training exits. */
export interface FrozenModel {
  /** The head in the form that serves requests. */
  readonly served: ModelHead;
  /** The head in float32, so that backward passes need not dequantise it for every few positions. */
  readonly plain: ModelHead;
}

/**
 * Opens the frozen heads of a model's file. `tokens` are the tokens that exits can choose: only their head rows are
 * read; default: all.
 * @throws UserError
 */
export async function openFrozen(file: string, quant: Quant, tokens: readonly number[] = []): Promise<FrozenModel> {
  const { checkpoint } = await openAdapted(file, {});
  const architecture = await decoderArchitecture(checkpoint);
  const part = (name: string) => new Part(checkpoint, architecture.tensors(checkpoint), name);
  const floats = (name: string) => {
    const whole = ["output.weight", "token_embd.weight"].find((head) => someRowsOf(head) === name);
    if (whole === undefined) return part(name).floats();
    const head = part(whole);
    return someFloats(head.floats(), head.shape[1]!, tokens);
  };
  const { weights: quantised } = await openDecoder(checkpoint, preparedFolder(file), quant);
  const served = new LoraWeights(quantised, loraOptions.parse({ targets: "" }));
  const plain = new TracedWeights(checkpoint.config, (name) => part(name).exists);
  return {
    served: { decoder: architecture.open(served), weights: served, floats },
    plain: { decoder: architecture.open(plain), weights: plain, floats },
  };
}
