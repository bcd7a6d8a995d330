import type { DType } from "../graph/tensor.ts";
import { NativeTensor } from "./buffer.ts";
import { onnxType } from "./onnx/encode.ts";
import { ortCreate } from "./ort/api.ts";
import type { Program } from "./program.ts";

/**
 * A tensor in the memory of a program's device, for programs on that device: nothing is copied between runs, and the
 * host cannot read it. Dispose of it before the program.
 */
export class DeviceTensor extends NativeTensor {
  /** @throws Error if the device has no room for the tensor */
  constructor({ memory }: Program, dtype: DType, shape: readonly number[]) {
    const dims = BigInt64Array.from(shape.map(BigInt));
    const value = ortCreate("CreateTensorAsOrtValue", memory, dims, shape.length, onnxType[dtype]);
    super(value, "a tensor of a device");
  }
}
