import koffi from "koffi";
import { count } from "../graph/ndarray.ts";
import { bytesPerElement, type DType } from "../graph/tensor.ts";
import { copyMemory, exchangeMemory } from "./memory.ts";
import { onnxType } from "./onnx/encode.ts";
import { NULL, ort, ortCreate, type Pointer, release } from "./ort/api.ts";
import { environment } from "./ort/environment.ts";
import { giveBack, keepPagesSmall } from "./pages.ts";

/** A tensor in native memory, ready to be bound to a program. */
export interface Bindable {
  /** The OrtValue. */
  readonly value: Pointer;
  /** Throws if the tensor's memory was freed. */
  check(): void;
}

/** An OrtValue that lives until it is disposed of. */
export abstract class NativeTensor implements Bindable, Disposable {
  #value: Pointer;

  /** `name` identifies the tensor in errors after disposal. */
  constructor(
    value: Pointer,
    private readonly name: string,
  ) {
    this.#value = value;
  }

  /** The OrtValue, for `Program.run`. */
  get value(): Pointer {
    this.check();
    return this.#value;
  }

  /** Throws if the tensor was disposed of. */
  check(): void {
    if (this.#value === NULL) throw new Error(`${this.name} was used after it was disposed`);
  }

  [Symbol.dispose](): void {
    if (this.#value !== NULL) release("ReleaseValue", this.#value);
    this.#value = NULL;
  }
}

/** An OrtValue for a tensor in memory that the caller keeps alive. */
export function tensorOver(address: Pointer, bytes: number, dtype: DType, shape: readonly number[]): Pointer {
  const dims = BigInt64Array.from(shape.map(BigInt));
  const { cpu } = environment();
  return ortCreate("CreateTensorWithDataAsOrtValue", cpu, address, bytes, dims, shape.length, onnxType[dtype]);
}

/** A tensor over part of a buffer; it keeps the buffer alive. */
export class View extends NativeTensor {
  constructor(
    readonly buffer: Buffer,
    readonly dtype: DType,
    readonly shape: readonly number[],
    address: Pointer,
    private readonly offset: number,
  ) {
    super(tensorOver(address, count(shape) * bytesPerElement[dtype], dtype, shape), "a view");
  }

  /** The view's memory as numbers, without a copy; only for an f32 buffer. */
  get floats(): Float32Array {
    return new Float32Array(this.buffer.memory, this.offset * bytesPerElement.f32, count(this.shape));
  }

  /** Throws if the view or its buffer was disposed of. */
  override check(): void {
    super.check();
    if (this.buffer.disposed) throw new Error("a view was used after it was disposed");
  }
}

/**
 * Native memory outside JavaScript's heap. The operating system maps large buffers lazily, so only written pages count
 * as resident, and a cache may be as long as the model's context.
 */
export class Buffer implements Disposable {
  #owner: Pointer;
  readonly #address: Pointer;
  readonly #views = new Map<string, View>();

  constructor(
    readonly dtype: DType,
    readonly elements: number,
  ) {
    this.#owner = ortCreate(
      "CreateTensorAsOrtValue",
      environment().allocator,
      BigInt64Array.of(BigInt(elements)),
      1,
      onnxType[dtype],
    );
    const out = new BigUint64Array(1);
    ort("GetTensorMutableData", this.#owner, out);
    this.#address = out[0]!;
  }

  get bytes(): number {
    return this.elements * bytesPerElement[this.dtype];
  }

  get disposed(): boolean {
    return this.#owner === NULL;
  }

  #check(): void {
    if (this.disposed) throw new Error("a buffer was used after it was disposed");
  }

  /** A view of `shape` starting at element `offset`; the same arguments return the same view. */
  view(shape: readonly number[], offset = 0): View {
    const key = `${offset}:${shape.join()}`;
    const known = this.#views.get(key);
    if (known) return known;
    const view = this.fresh(shape, offset);
    this.#views.set(key, view);
    return view;
  }

  /** Like `view`, but the caller owns and disposes of it. */
  fresh(shape: readonly number[], offset = 0): View {
    this.#check();
    if (!Number.isInteger(offset) || offset < 0)
      throw new RangeError(`a view must start at a whole number of elements, not at ${offset}`);
    if (offset + count(shape) > this.elements)
      throw new RangeError(`a view of [${shape}] at ${offset} exceeds the buffer's ${this.elements} elements`);
    return new View(this, this.dtype, shape, this.#address + BigInt(offset * bytesPerElement[this.dtype]), offset);
  }

  /**
   * Gives the memory of `elements` elements, starting at `offset`, back to the system, if possible; they may read as
   * zeros until they are written again.
   */
  giveBack(offset: number, elements: number): void {
    giveBack(this.#at(offset, elements), elements * bytesPerElement[this.dtype]);
  }

  /** Copies `elements` elements, from element `start` of a buffer of the same type, to element `offset`. */
  copy(offset: number, from: Buffer, start: number, elements: number): void {
    copyMemory(this.#at(offset, elements), from.#at(start, elements), elements * bytesPerElement[this.dtype]);
  }

  /** Fills `into` with the bytes of the elements from `offset` on. */
  read(offset: number, into: Uint8Array): void {
    copyMemory(into, this.#at(offset, into.length / bytesPerElement[this.dtype]), into.length);
  }

  /** Writes bytes, starting at element `offset`. */
  write(offset: number, from: Uint8Array): void {
    copyMemory(this.#at(offset, from.length / bytesPerElement[this.dtype]), from, from.length);
  }

  /** Swaps `elements` elements from `offset` on with as many from `start` on in a buffer of the same type. */
  exchange(offset: number, other: Buffer, start: number, elements: number): void {
    exchangeMemory(this.#at(offset, elements), other.#at(start, elements), elements * bytesPerElement[this.dtype]);
  }

  /** The address of an element. */
  #at(offset: number, elements: number): Pointer {
    this.#check();
    if (offset < 0 || offset + elements > this.elements)
      throw new RangeError(`elements ${offset} to ${offset + elements} exceed the buffer's ${this.elements}`);
    return this.#address + BigInt(offset * bytesPerElement[this.dtype]);
  }

  /** Prepares a buffer whose parts will be freed later; call it before writing. */
  inSmallPages(): this {
    this.#check();
    keepPagesSmall(this.#address, this.bytes);
    return this;
  }

  /** The memory itself, not a copy; valid until the buffer is disposed of. */
  get memory(): ArrayBuffer {
    this.#check();
    this.#memory ??= koffi.view(this.#address, this.bytes);
    return this.#memory;
  }
  #memory: ArrayBuffer | undefined;

  [Symbol.dispose](): void {
    for (const view of this.#views.values()) view[Symbol.dispose]();
    this.#views.clear();
    if (this.#owner === NULL) return;
    // The allocator keeps freed memory, some of it for good, so the pages are first given back to the system.
    this.giveBack(0, this.elements);
    release("ReleaseValue", this.#owner);
    this.#owner = NULL;
  }
}

/** Short-lived views, disposed of together. */
export class ViewSet implements Disposable {
  readonly #views: View[] = [];

  of(buffer: Buffer, shape: readonly number[], offset: number): View {
    const view = buffer.fresh(shape, offset);
    this.#views.push(view);
    return view;
  }

  [Symbol.dispose](): void {
    for (const view of this.#views) view[Symbol.dispose]();
  }
}
