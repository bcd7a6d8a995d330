import type { Block, CodeBits } from "../../graph/index.ts";
import { fromMinimum, type KernelMatrix, packed } from "./layout.ts";

/** The default number of weights that share a scale. */
const BLOCK = 32;

/** The number of bits of weights rounded at load time. */
export type Bits = 4 | 8;

/** True if rows of `cols` weights fill whole blocks. */
export const isBlockable = (cols: number): boolean => cols % BLOCK === 0;

/** Codes of one byte each and one scale per block; with 4 bits, also the value of code 0 per block. */
interface BlockCodes {
  readonly codes: Uint8Array<ArrayBuffer>;
  readonly scale: Float32Array<ArrayBuffer>;
  readonly min: Float32Array<ArrayBuffer>;
}

/** Rounds a matrix [rows, cols], given in pieces of whole rows, to the nearest of 2^bits levels per block. */
export class Rounding {
  readonly #rounded: BlockCodes;

  constructor(
    private readonly to: Bits,
    private readonly rows: number,
    cols: number,
    /** The number of weights that share a scale. */
    private readonly block: Block = BLOCK,
  ) {
    const blocks = (rows * cols) / block;
    const min = new Float32Array(to === 4 ? blocks : 0);
    this.#rounded = { codes: new Uint8Array(rows * cols), scale: new Float32Array(blocks), min };
  }

  /** Rounds whole rows; `at` is the index of the first weight in the matrix. */
  add(values: Float32Array, at: number): void {
    for (let i = 0; i < values.length; i += this.block)
      if (this.to === 8) roundTo8(this.#rounded, values, i, at + i, this.block);
      else roundTo4(this.#rounded, values, i, at + i);
  }

  /** Returns the entire matrix, with codes of `bits` bits. */
  matrix(bits: CodeBits): KernelMatrix {
    const { codes, scale, min } = this.#rounded;
    const shared = { rows: this.rows, codes, scale };
    if (this.to === 4) return fromMinimum(bits, { ...shared, min, codeBits: 4 });
    return packed(bits, { ...shared, block: this.block, zero: new Uint8Array(scale.length).fill(128) });
  }
}

/** Rounds symmetrically, as Q8_0 does: w ≈ scale · (code − 128), codes 1 to 255. */
function roundTo8({ codes, scale }: BlockCodes, values: Float32Array, from: number, at: number, block: Block): void {
  let most = 0;
  for (let i = from; i < from + block; i++) {
    const size = Math.abs(values[i]!);
    if (size > most) most = size;
  }
  const step = most / 127;
  scale[at / block] = step;
  // Adding half a step turns the truncation on storing into rounding to nearest.
  const perStep = step === 0 ? 0 : 127 / most;
  for (let i = 0; i < block; i++) codes[at + i] = values[from + i]! * perStep + 128.5;
}

/** Rounds to 15 steps from the smallest to the greatest weight, as Q4_1 does. */
function roundTo4({ codes, scale, min }: BlockCodes, values: Float32Array, from: number, at: number): void {
  let [least, most] = [values[from]!, values[from]!];
  for (let i = from; i < from + BLOCK; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const step = (most - least) / 15;
  scale[at / BLOCK] = step;
  min[at / BLOCK] = least;
  const perStep = step === 0 ? 0 : 15 / (most - least);
  for (let i = 0; i < BLOCK; i++) codes[at + i] = Math.min(15, (values[from + i]! - least) * perStep + 0.5);
}
