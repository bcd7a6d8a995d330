import type { Part } from "./part.ts";
import { type Bits, Rounding } from "./quantize.ts";

/** Rows of a matrix that are looked at. */
const ROWS = 64;

/**
 * The relative error of a matrix's weights after rounding to `to` bits, over its first rows: the root of the mean
 * square error over that of the weights.
 */
export function roundingError(part: Part, to: Bits): number {
  const [rows, cols] = [Math.min(ROWS, part.shape[0]!), part.shape[1]!];
  const values = part.floats(0, rows);
  const back = roundTrip(values, to, rows, cols);
  const squares = (of: (i: number) => number) => values.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(squares((i) => back(i) - values[i]!) / (squares((i) => values[i]!) || 1));
}

/** A weight after it was rounded, by its place. */
function roundTrip(values: Float32Array, to: Bits, rows: number, cols: number): (i: number) => number {
  const rounding = new Rounding(to, rows, cols);
  rounding.add(values, 0);
  const { codes, scale, zero, block, residual } = rounding.matrix(8);
  const perRow = cols / block;
  return (i) => {
    const at = Math.floor(i / block);
    const left = residual?.[(at % perRow) * rows + Math.floor(at / perRow)] ?? 0;
    return scale[at]! * (codes[i]! - zero[at]!) + left;
  };
}
