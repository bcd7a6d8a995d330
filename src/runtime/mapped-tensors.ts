import type { ConstantData } from "../graph/graph.ts";
import type { TensorType } from "../graph/tensor.ts";
import { type Bindable, NativeTensor, tensorOver } from "./buffer.ts";
import { MappedFile } from "./mapped-file.ts";
import type { Pointer } from "./ort/api.ts";

type FileData = Extract<ConstantData, { kind: "file" }>;

class MappedTensor extends NativeTensor {
  constructor({ dtype, shape }: TensorType, address: Pointer, bytes: number) {
    super(tensorOver(address, bytes, dtype, shape.map(Number)), "a mapped tensor");
  }
}

/**
 * Tensors that are stored in files. Programs read them as inputs or share them as constants; the files are mapped into
 * memory instead of being read.
 */
export class MappedTensors implements Disposable {
  readonly #files = new Map<string, MappedFile>();
  readonly #tensors = new Map<string, MappedTensor>();

  /** The tensor at this position in a file; the same position and shape return the same tensor. */
  of(type: TensorType, { path, offset, bytes }: FileData): Bindable {
    const key = `${path}\0${offset}\0${type.dtype}\0${type.shape.join()}`;
    const known = this.#tensors.get(key);
    if (known) return known;
    const tensor = new MappedTensor(type, this.address({ path, offset, bytes }), bytes);
    this.#tensors.set(key, tensor);
    return tensor;
  }

  /** The address of a range of bytes in a file. */
  address({ path, offset, bytes }: Omit<FileData, "kind">): Pointer {
    const file = this.#files.get(path) ?? new MappedFile(path);
    this.#files.set(path, file);
    return file.at(offset, bytes);
  }

  /** Drops pages already read, if the system supports it; the next access reads them again. */
  drop(): void {
    for (const file of this.#files.values()) file.drop();
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor[Symbol.dispose]();
    for (const file of this.#files.values()) file[Symbol.dispose]();
    this.#tensors.clear();
    this.#files.clear();
  }
}
