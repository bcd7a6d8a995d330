import { Buffer } from "node:buffer";
import { fillWhole } from "../../util/write-whole.ts";
import { toBrainFloats, toHalves } from "../gguf/half.ts";
import { bytesOf } from "./dtypes.ts";

/** A tensor to write, whose numbers are computed when it is written. */
export interface WritableTensor {
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** The element type in the file; default: float32. */
  readonly type?: "F16" | "BF16" | undefined;
  values(): Float32Array;
}

const NARROWED = { F16: toHalves, BF16: toBrainFloats };

/** The alignment of the data, in bytes. */
const ALIGNMENT = 8;

/**
 * Writes tensors by name as a safetensors file (the format's README), atomically, and synced to disk on return.
 * `onBytes` receives the number of weight bytes written so far.
 * @throws UserError if writing fails
 */
export async function writeTensors(
  file: string,
  tensors: ReadonlyMap<string, WritableTensor>,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  let done = 0;
  await fillWhole(file, async (part) => {
    await part.writeFile(headerOf(tensors));
    for (const [name, { shape, type, values }] of tensors) {
      const floats = values();
      if (floats.length !== sizeOf(shape)) throw new Error(`${name} has ${floats.length} numbers, not ${shape}`);
      const numbers = type ? NARROWED[type](floats) : floats;
      await part.writeFile(Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength));
      done += numbers.byteLength;
      onBytes?.(done);
    }
    await part.sync();
  });
}

function headerOf(tensors: ReadonlyMap<string, WritableTensor>): Buffer {
  let end = 0;
  const entries = [...tensors].map(([name, { shape, type }]) => {
    const [begin, dtype] = [end, type ?? "F32"] as const;
    end += sizeOf(shape) * bytesOf(dtype);
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  // transformers opens only files whose metadata names the tensors' framework.
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) }));
  const length = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(8 + length, " ");
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, 8);
  return header;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);
