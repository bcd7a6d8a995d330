import type { LoraLayer } from "./lora-layers.ts";

/** The rows [outputs, inputs] of one of several stacked matrices. */
interface StackedRows {
  readonly shape: readonly number[];
  floats(): Float32Array;
}

/** Factors that give the rows of updated, stacked matrices DoRA's norms; 1 for rows without a norm. */
export function doraGains(
  { rank, down, up, magnitude }: LoraLayer,
  inputs: number,
  matrices: readonly StackedRows[],
): Float32Array<ArrayBuffer> {
  const outputs = up.length / rank;
  const gains = new Float32Array(outputs).fill(1);
  let at = 0;
  for (const matrix of matrices) {
    const end = at + matrix.shape[0]!;
    if (magnitude!.subarray(at, end).some((norm) => !Number.isNaN(norm))) {
      const values = matrix.floats();
      for (let o = at; o < end; o++) gains[o] = magnitude![o]! / normOf(values.subarray((o - at) * inputs), o);
    }
    at = end;
  }
  return gains;

  /** The norm of a row plus its update. */
  function normOf(row: Float32Array, o: number): number {
    let squares = 0;
    for (let i = 0; i < inputs; i++) {
      let sum = row[i]!;
      for (let k = 0; k < rank; k++) sum += down[i * rank + k]! * up[k * outputs + o]!;
      squares += sum * sum;
    }
    return Math.sqrt(squares);
  }
}
