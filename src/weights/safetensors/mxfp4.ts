import { UserError } from "../../util/errors.ts";
import type { Checkpoint, Rows, StoredTensor } from "../checkpoint.ts";
import { quote } from "../gguf/cursor.ts";
import { dequantize, kernelForm, toKernelMatrix } from "../gguf/index.ts";
import type { SafeTensor } from "./header.ts";
import { readBytes, readFloats } from "./read.ts";

/** The number of weights per block, which share a power of two (OCP Microscaling Formats 1.0). */
const BLOCK = 32;
const BYTES = BLOCK / 2;

/** An MXFP4 tensor, stored as two tensors: `…_blocks` u8 [..., blocks, 16] and `…_scales` u8 [..., blocks]. */
interface PackedTensor {
  readonly blocks: SafeTensor;
  readonly scales: SafeTensor;
}

/** Tensors, with functions that read them. An MXFP4 pair appears as one tensor, under its common name. */
export function readablePacked(
  tensors: ReadonlyMap<string, SafeTensor>,
): Pick<Checkpoint, "tensors" | "floats" | "form" | "blocks"> {
  const packed = packedIn(tensors);
  const plain = [...tensors].filter(([name]) => !packed.has(name.replace(/_(blocks|scales)$/, "")));
  const bytesOf = ({ name, shape }: StoredTensor, rows: Rows = [0, shape[0]!]) =>
    inGgmlBlocks(packed.get(name)!, rows, volume(shape.slice(1)) / BLOCK);
  return {
    tensors: new Map([...plain, ...[...packed].map(([name, pair]) => [name, asOne(name, pair)] as const)]),
    floats(tensor, rows) {
      const { name, shape } = tensor;
      if (!packed.has(name)) return readFloats({ ...tensors.get(name)!, shape }, rows);
      const bytes = bytesOf(tensor, rows);
      return dequantize("MXFP4", bytes, (bytes.length / (BYTES + 1)) * BLOCK);
    },
    form: ({ name, shape }) => (shape.length === 2 && packed.has(name) ? kernelForm("MXFP4") : undefined),
    blocks(tensor, bits, rows = [0, tensor.shape[0]!]) {
      return toKernelMatrix("MXFP4", bytesOf(tensor, rows), [rows[1] - rows[0], tensor.shape[1]!], bits);
    },
  };
}

/** Finds the MXFP4 pairs, by common name. @throws UserError for a pair with wrong shapes */
function packedIn(tensors: ReadonlyMap<string, SafeTensor>): Map<string, PackedTensor> {
  const pairs = new Map<string, PackedTensor>();
  for (const [name, blocks] of tensors) {
    const scales = name.endsWith("_blocks") ? tensors.get(name.replace(/blocks$/, "scales")) : undefined;
    if (!scales) continue;
    const expected = [...scales.shape, BYTES];
    if (blocks.type !== "U8" || scales.type !== "U8" || blocks.shape.join() !== expected.join() || expected.length < 3)
      throw new UserError(
        `${blocks.file}: tensor ${quote(name)} is ${blocks.type} [${blocks.shape.join(", ")}] beside scales ${scales.type} [${scales.shape.join(", ")}], expected U8 [${expected.join(", ")}] beside U8`,
      );
    pairs.set(name.replace(/_blocks$/, ""), { blocks, scales });
  }
  return pairs;
}

const volume = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);

function asOne(name: string, { blocks, scales }: PackedTensor): StoredTensor {
  const shape = scales.shape.with(-1, scales.shape.at(-1)! * BLOCK);
  return { name, shape, type: "MXFP4", bytes: blocks.bytes + scales.bytes };
}

/**
 * Converts rows of blocks to ggml's layout, in which each block begins with its scale, and each byte holds two weights
 * that are 16 apart, not neighbours.
 */
function inGgmlBlocks({ blocks, scales }: PackedTensor, [from, to]: Rows, each: number): Uint8Array {
  const codes = readBytes(blocks, from * each * BYTES, to * each * BYTES);
  const exponents = readBytes(scales, from * each, to * each);
  const out = new Uint8Array(codes.length + exponents.length);
  for (let block = 0, at = 0, i = 0; block < exponents.length; block++, i += BYTES) {
    out[at++] = exponents[block]!;
    for (let j = i; j < i + BYTES / 2; j++) {
      const [low, high] = [codes[j]!, codes[j + BYTES / 2]!];
      out[at++] = (low & 15) | ((high & 15) << 4);
      out[at++] = (low >> 4) | (high & 0xf0);
    }
  }
  return out;
}
