import type { KernelMatrix } from "./layout.ts";

/** Weights that share a scale. */
const BLOCK = 32;

/** A matrix with a byte for every code and zero point, whatever bits they have. */
type Loose = Omit<KernelMatrix, "bits">;

/** Bits a weight is rounded to at load. */
export type Bits = 4 | 8;

/** Whether rows of so many weights are whole blocks. */
export const isBlockable = (cols: number): boolean => cols % BLOCK === 0;

/** A matrix [rows, cols] with a byte a code, to be filled by `roundInto`. */
export function emptyMatrix(rows: number, cols: number): Loose {
  const blocks = (rows * cols) / BLOCK;
  const [codes, zero] = [new Uint8Array(rows * cols), new Uint8Array(blocks)];
  return { rows, block: BLOCK, codes, scale: new Float32Array(blocks), zero };
}

/** Rounds `values`, whole rows, to the nearest of 2^bits levels a block; `at` is the first one's place in the matrix. */
export function roundInto(matrix: Loose, values: Float32Array, at: number, bits: Bits): void {
  const round = bits === 8 ? roundTo8 : roundTo4;
  for (let i = 0; i < values.length; i += BLOCK) round(matrix, values, i, at + i);
}

/** Symmetric: w ≈ scale · (code − 128), codes 1 to 255. */
function roundTo8({ codes, scale, zero }: Loose, values: Float32Array, from: number, at: number): void {
  let most = 0;
  for (let i = from; i < from + BLOCK; i++) {
    const size = Math.abs(values[i]!);
    if (size > most) most = size;
  }
  const step = most / 127;
  scale[at / BLOCK] = step;
  zero[at / BLOCK] = 128;
  // Half a step more, and the store's truncation rounds to the nearest.
  const perStep = step === 0 ? 0 : 127 / most;
  for (let i = 0; i < BLOCK; i++) codes[at + i] = values[from + i]! * perStep + 128.5;
}

/** 15 steps from the least to the greatest weight, moved by half a step at most so that one of the levels is 0. */
function roundTo4({ codes, scale, zero }: Loose, values: Float32Array, from: number, at: number): void {
  // Zero is a level of its own kind: blocks of one sign reach to it.
  let [least, most] = [0, 0];
  for (let i = from; i < from + BLOCK; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const step = (most - least) / 15;
  const nought = step === 0 ? 0 : Math.round(-least / step);
  const [perStep, shift] = [step === 0 ? 0 : 1 / step, nought + 0.5];
  scale[at / BLOCK] = step;
  zero[at / BLOCK] = nought;
  // From 0 on; to 16 where the levels were moved up by just half a step. The store truncates.
  for (let i = 0; i < BLOCK; i++) codes[at + i] = Math.min(15, values[from + i]! * perStep + shift);
}
