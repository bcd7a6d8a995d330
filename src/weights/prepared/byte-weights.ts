import path from "node:path";
import { type ByteForm, byteFormKey } from "../../graph/index.ts";
import type { LoraLayers } from "../adapter/lora-layers.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Names } from "./names.ts";
import type { Part } from "./part.ts";
import type { Form } from "./quant.ts";
import { Weights } from "./weights.ts";

/**
 * A checkpoint's matrices rounded to one or two bytes per weight, with a scale for each output, in a separate folder.
 * Everything else is as in `Weights`, including matrices whose inputs do not fill whole rotation blocks. The model has
 * already been opened with other weights, so its tensors are known to have the right shapes.
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

  /** Checks nothing, because an adapter may also change layers after the last attention, which have no byte form. */
  override checkAdapter(): void {}
}
