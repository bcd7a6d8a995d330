import type { WritableTensor } from "../../weights/safetensors/write.ts";

/** A tensor with its rows in another order: row `to(i)` of the result is row i. */
export function permuted(tensor: WritableTensor, to: (row: number) => number): WritableTensor {
  const [rows] = tensor.shape as [number];
  return {
    ...tensor,
    values() {
      const before = tensor.values();
      const width = before.length / rows;
      const after = new Float32Array(before.length);
      for (let row = 0; row < rows; row++) after.set(before.subarray(row * width, (row + 1) * width), to(row) * width);
      return after;
    },
  };
}
