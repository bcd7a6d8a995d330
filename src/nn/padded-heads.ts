import { concat, full, reshape, split, type Tensor } from "../graph/index.ts";
import type { RotaryPairs } from "../graph/ops/rotary.ts";

/** Heads wider in attention than in a model's weights, because kernels support only certain widths. */
export interface PaddedHeads {
  /** Width in the weights, even and at least half of `padded`. */
  readonly stored: number;
  readonly padded: number;
  /** The way elements pair up for rotation; padding keeps the pairs together. */
  readonly pairs: RotaryPairs;
}

/** The number of parts of a head that are padded with zeros: two halves if pairs are half a head apart, else one. */
const partsOf = ({ pairs }: PaddedHeads): number => (pairs === "half" ? 2 : 1);

/** x [batch, tokens, heads·stored] → [batch, tokens, heads·padded], with zeros that change no product of two heads. */
export function padHeads(x: Tensor, heads: number, sizes: PaddedHeads): Tensor {
  const parts = heads * partsOf(sizes);
  const [from, to] = [(sizes.stored * heads) / parts, (sizes.padded * heads) / parts];
  const [batch, tokens] = x.shape as [Tensor["shape"][0], Tensor["shape"][0]];
  const apart = reshape(x, [batch!, tokens!, parts, from]);
  const zeros = full(apart, 0);
  const added = to - from === from ? zeros : split(zeros, 3, [to - from, 2 * from - to])[0]!;
  return reshape(concat([apart, added], 3), [batch!, tokens!, parts * to]);
}

/** The inverse of `padHeads`: drops the padding from attention's result. */
export function cropHeads(x: Tensor, heads: number, sizes: PaddedHeads): Tensor {
  const parts = heads * partsOf(sizes);
  const [to, from] = [(sizes.stored * heads) / parts, (sizes.padded * heads) / parts];
  const [batch, tokens] = x.shape as [Tensor["shape"][0], Tensor["shape"][0]];
  const apart = reshape(x, [batch!, tokens!, parts, from]);
  return reshape(split(apart, 3, [to, from - to])[0]!, [batch!, tokens!, parts * to]);
}

/** A rotary table [positions, stored/2] with columns for the padding, which do not rotate. */
export function padTable(table: Float32Array, { stored, padded }: PaddedHeads): Float32Array<ArrayBuffer> {
  const [from, to] = [stored / 2, padded / 2];
  const rows = table.length / from;
  const wide = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) wide.set(table.subarray(row * from, (row + 1) * from), row * to);
  return wide;
}
