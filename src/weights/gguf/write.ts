import { Buffer } from "node:buffer";
import { fillWhole } from "../../util/write-whole.ts";
import { entry, type Field, header, tensorInfo } from "./fields.ts";
import { type GgufFile, parseGguf } from "./header.ts";
import { quantize, type WrittenType } from "./quantize.ts";
import { byteLength } from "./types.ts";

const ALIGNMENT = 32;

/** A tensor to write, whose weights are computed when it is written. */
interface GgufTensorToWrite {
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  readonly type: WrittenType;
  values(): Float32Array;
}

/** A GGUF to write. */
export interface WritableGguf {
  readonly metadata: ReadonlyMap<string, Field>;
  readonly tensors: ReadonlyMap<string, GgufTensorToWrite>;
}

/** Parses the header of a GGUF that is about to be written, from its bytes. `file` names the GGUF in errors. */
export function plannedGguf(file: string, gguf: WritableGguf): GgufFile {
  const { bytes, size } = headerOf(gguf);
  return parseGguf({ path: file, size, read: (offset, length) => padded(bytes, offset, length) });
}

/** Headers are read in pieces that may extend beyond their end. */
function padded(bytes: Buffer, offset: number, length: number): Buffer {
  const out = Buffer.alloc(length);
  bytes.copy(out, 0, offset, offset + length);
  return out;
}

/**
 * Writes a GGUF of version 3, tensor by tensor, atomically, and synced to disk on return. `onBytes` receives the number
 * of bytes written so far.
 * @throws UserError if writing fails
 */
export async function writeGguf(file: string, gguf: WritableGguf, onBytes?: (bytes: number) => void): Promise<void> {
  await fillWhole(file, async (part) => {
    const { bytes } = headerOf(gguf);
    await part.writeFile(bytes);
    let done = bytes.length;
    for (const [name, { shape, type, values }] of gguf.tensors) {
      const data = quantize(type, values());
      if (data.length !== byteLength(type, sizeOf(shape)))
        throw new Error(`${name} has ${data.length} bytes, which do not match ${shape} in ${type}`);
      await part.writeFile(data);
      await part.writeFile(Buffer.alloc(aligned(data.length) - data.length));
      done += aligned(data.length);
      onBytes?.(done);
    }
    await part.sync();
  });
}

function headerOf({ metadata, tensors }: WritableGguf): { bytes: Buffer; size: number } {
  let end = 0;
  const infos = [...tensors].map(([name, { shape, type }]) => {
    const info = tensorInfo(name, shape, type, end);
    end += aligned(byteLength(type, sizeOf(shape)));
    return info;
  });
  const entries = [...metadata].map(([key, field]) => entry(key, field));
  const start = Buffer.concat([header(tensors.size, metadata.size), ...entries, ...infos]);
  const bytes = Buffer.concat([start, Buffer.alloc(aligned(start.length) - start.length)]);
  return { bytes, size: bytes.length + end };
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const sizeOf = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);
