import { Buffer, type View } from "../../runtime/buffer.ts";
import type { Binding } from "../../runtime/program.ts";

/** A tensor that is part of a batch. */
export interface DataInput {
  readonly dtype: "f32" | "i64" | "i32";
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}
export type DataInputs = Readonly<Record<string, DataInput>>;

/** Buffers of inputs and outputs, by name, which grow as needed. */
export class GivenBuffers implements Disposable {
  readonly #buffers = new Map<string, Buffer>();

  /** Copies the inputs into their buffers. */
  of(inputs: DataInputs): Binding {
    return Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape, values }]) => {
        const buffer = this.#buffer(name, dtype, values.length);
        fill(buffer, values);
        return [name, buffer.view(shape)];
      }),
    );
  }

  /** The float32 buffer of an output. */
  output(name: string, shape: readonly number[]): View {
    const elements = shape.reduce((product, size) => product * size, 1);
    return this.#buffer(name, "f32", elements).view(shape);
  }

  #buffer(name: string, dtype: DataInput["dtype"], elements: number): Buffer {
    const known = this.#buffers.get(name);
    if (known && known.elements >= elements) return known;
    known?.[Symbol.dispose]();
    const buffer = new Buffer(dtype, Math.max(1, elements));
    this.#buffers.set(name, buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.values()) buffer[Symbol.dispose]();
  }
}

function fill({ dtype, memory }: Buffer, values: DataInput["values"]): void {
  switch (dtype) {
    case "f32":
      new Float32Array(memory).set(values);
      break;
    case "i32":
      new Int32Array(memory).set(values);
      break;
    case "i64": {
      const ids = new BigInt64Array(memory);
      for (const [i, value] of values.entries()) ids[i] = BigInt(value);
      break;
    }
    default:
      throw new Error(`inputs must be f32, i32 or i64, not ${dtype}`);
  }
}
