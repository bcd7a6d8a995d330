import path from "node:path";
import { type ByteForm, byteFormKey } from "../../graph/index.ts";
import type { LoraLayers } from "../adapter/lora-layers.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Names } from "./names.ts";
import type { Part } from "./part.ts";
import type { Form } from "./quant.ts";
import { Weights } from "./weights.ts";

/**
 * A checkpoint's matrices rounded to one or two bytes a weight, with a scale for each output, in a folder of their own; everything else as `Weights` has it, and so
 * matrices whose inputs no rotation's blocks divide. The model was opened with other weights before: tensors are there, and fit.
 */
export class ByteWeights extends Weights {
  constructor(
    checkpoint: Checkpoint,
    folder: string,
    private readonly bytes: ByteForm,
    names: Names,
    loraLayers?: LoraLayers,
  ) {
    super(checkpoint, path.join(folder, byteFormKey(bytes)), "auto", names, 8, loraLayers);
  }

  protected override form(part: Part): Form {
    const { rotation } = this.bytes;
    if (rotation !== 0 && part.shape.at(-1)! % rotation !== 0) return super.form(part);
    return { kind: "bytes", ...this.bytes };
  }

  override review(): void {}

  /** An adapter may also change what follows the last attention, which has no weights in bytes. */
  override checkAdapter(): void {}
}
