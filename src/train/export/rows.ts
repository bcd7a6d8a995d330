import { writeSync } from "node:fs";
import type { Batch, TrainingData } from "../data/batch.ts";

/** A row of a batch as a line of `rows.jsonl`; what lies behind its last label changes no loss and is left out. */
function rowLine({ tokens, ids, labels, documents }: Batch, row: number): string {
  const from = row * tokens;
  const own = labels.subarray(from, from + tokens);
  const end = from + own.findLastIndex((label) => label >= 0) + 1;
  const line = {
    input_ids: [...ids.subarray(from, end)],
    // PyTorch's cross entropy ignores −100.
    labels: [...labels.subarray(from, end)].map((label) => (label < 0 ? -100 : label)),
    ...(documents && { documents: [...documents.subarray(from, end)] }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** Writes the rows of the first `batches` batches, a line each, into an open file. */
export function writeRows(file: number, data: TrainingData, batches: number): void {
  for (let index = 0; index < batches; index++) {
    const batch = data.batch(index);
    writeSync(file, Array.from({ length: batch.rows }, (_, row) => rowLine(batch, row)).join(""));
  }
}
