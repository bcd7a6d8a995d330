import type { WritableTensor } from "../../weights/safetensors/write.ts";

/** A tensor with its rows in a different order: row i of the result is row `from(i)`. */
export const gathered = (tensor: WritableTensor, from: (row: number) => number): WritableTensor => ({
  ...tensor,
  values() {
    const [before, rows] = [tensor.values(), tensor.shape[0]!];
    const width = before.length / rows;
    const after = new Float32Array(before.length);
    for (let row = 0; row < rows; row++) {
      const at = from(row) * width;
      after.set(before.subarray(at, at + width), row * width);
    }
    return after;
  },
});

/** The inverse of `gathered`: row `to(i)` of the result is row i of `tensor`. */
export function scattered(tensor: WritableTensor, to: (row: number) => number): WritableTensor {
  const from = new Uint32Array(tensor.shape[0]!);
  for (let row = 0; row < from.length; row++) from[to(row)] = row;
  return gathered(tensor, (row) => from[row]!);
}
