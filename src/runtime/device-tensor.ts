import type { DType } from "../graph/tensor.ts";
import type { Bindable } from "./buffer.ts";
import { onnxType } from "./onnx/encode.ts";
import { NULL, ortCreate, type Pointer, release } from "./ort/api.ts";
import type { Program } from "./program.ts";

/**
 * A tensor in the memory of a program's device, for programs there to read and write: nothing is copied between their
 * runs, and the host does not see it. It is disposed of before the program.
 */
export class DeviceTensor implements Bindable, Disposable {
  #value: Pointer;

  /** @throws Error if the device has no room for it */
  constructor({ memory }: Program, dtype: DType, shape: readonly number[]) {
    const dims = BigInt64Array.from(shape.map(BigInt));
    this.#value = ortCreate("CreateTensorAsOrtValue", memory, dims, shape.length, onnxType[dtype]);
  }

  /** The OrtValue, for `Program.run`. */
  get value(): Pointer {
    this.check();
    return this.#value;
  }

  /** Throws when it was disposed. */
  check(): void {
    if (this.#value === NULL) throw new Error("a tensor of a device was used after it was disposed");
  }

  [Symbol.dispose](): void {
    if (this.#value !== NULL) release("ReleaseValue", this.#value);
    this.#value = NULL;
  }
}
