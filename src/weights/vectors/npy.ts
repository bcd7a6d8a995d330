import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { jsonIn } from "../json.ts";

/** The matrix's rows, concatenated. */
export interface NpyMatrix {
  readonly rows: number;
  readonly width: number;
  /** [rows, width] */
  readonly values: Float32Array;
}

const MAGIC = "\x93NUMPY";
const header = z.object({
  descr: z.literal("<f4", "expected little-endian float32"),
  fortran_order: z.boolean(),
  shape: z.tuple([z.int().min(1), z.int().min(1)], "expected two dimensions"),
});

/**
 * Reads a float32 matrix from a `.npy` file (NumPy's format, versions 1 to 3), stored by row or by column.
 * @throws UserError that names `file`, if the bytes are truncated or in a different format
 */
export function readNpy(file: string, bytes: Uint8Array): NpyMatrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || latin(bytes, 0, MAGIC.length) !== MAGIC)
    throw new UserError(`${file}: this is not a .npy file`);
  const [at, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const { fortran_order: byColumn, shape } = parsedHeader(file, latin(bytes, at, length));
  const [rows, width] = shape;
  const missing = rows * width * 4 - (bytes.length - at - length);
  if (missing > 0) throw new UserError(`${file}: its last ${missing} bytes of numbers are missing`);
  const values = floats(bytes, at + length, rows * width);
  return { rows, width, values: byColumn ? transposed(values, rows, width) : values };
}

const latin = (bytes: Uint8Array, at: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(length, bytes.length - at)).toString("latin1");

/** The header is a Python dictionary of strings, numbers, tuples and booleans. */
function parsedHeader(file: string, text: string): z.output<typeof header> {
  const json = text
    .replaceAll("'", '"')
    .replace(/\bTrue\b/, "true")
    .replace(/\bFalse\b/, "false")
    .replace(/\(([^)]*?),?\s*\)/, "[$1]")
    .replace(/,\s*}/, "}");
  const parsed = header.safeParse(jsonIn(json));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new UserError(`${file}: the header's "${path.join(".")}": ${message}, got ${text.trim()}`);
}

/** Copies the floats, because the header may leave them unaligned. */
const floats = (bytes: Uint8Array, at: number, count: number): Float32Array =>
  new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + count * 4));

function transposed(values: Float32Array, rows: number, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let column = 0; column < width; column++)
    for (let row = 0; row < rows; row++) out[row * width + column] = values[column * rows + row]!;
  return out;
}
