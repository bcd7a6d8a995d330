import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Batch } from "./batch.ts";
import type { RunData } from "./open.ts";

/** The number of samples that a preview shows. */
const SHOWN = 3;

/** The marks around text that is read but not trained on. */
export const MASKED = ["‹", "›"] as const;

/** The first training samples as text, including special tokens. */
export function previewOf({ training, head }: Pick<RunData, "training" | "head">, tokenizer: Tokenizer): string[] {
  if (!head) {
    const batches = Array.from({ length: Math.min(SHOWN, training.batches) }, (_, i) => training.batch(i));
    const samples = batches.flatMap(samplesIn).slice(0, SHOWN);
    return samples.map((sample) => marked(sample, tokenizer));
  }
  const batch = training.batch(0);
  const rowText = (row: number) => textOf([...rowOf(batch.ids, row, batch)].slice(0, batch.lengths?.[row]), tokenizer);
  const target = (label: number) => (head.kind === "classes" ? head.labels[label] : rowText(batch.samples + label));
  return [...batch.labels.subarray(0, SHOWN)].map((label, row) => `${rowText(row)} → ${target(label)}`);
}

/** A sample's tokens; `trained` is true if the token counts in the loss. */
type PreviewTokens = readonly { readonly id: number; readonly trained: boolean }[];

const rowOf = (values: Int32Array, row: number, { tokens }: Batch): Int32Array =>
  values.subarray(row * tokens, (row + 1) * tokens);

/** The samples of all rows; the label at a position is the token after it. */
function samplesIn(batch: Batch): PreviewTokens[] {
  const { rows, tokens, documents, filled } = batch;
  return Array.from({ length: rows }, (_, row) => row).flatMap((row) => {
    const [ids, labels] = [rowOf(batch.ids, row, batch), rowOf(batch.labels, row, batch)];
    const places = Array.from({ length: filled?.[row] ?? tokens }, (_, i) => i);
    const starts = documents ? rowOf(documents, row, batch) : new Int32Array(tokens);
    const bounds = [...places.filter((i) => i === 0 || starts[i] !== starts[i - 1]), places.length];
    return bounds.slice(1).map((end, i): PreviewTokens => {
      const from = bounds[i]!;
      const own = places.slice(from, end).map((at) => ({ id: ids[at]!, trained: at > from && labels[at - 1]! >= 0 }));
      const last = labels[end - 1]!;
      return last < 0 ? own : [...own, { id: last, trained: true }];
    });
  });
}

/** A sample's text, with marks around the parts that are not trained on. */
function marked(sample: PreviewTokens, tokenizer: Tokenizer): string {
  const starts = sample.flatMap(({ trained }, i) => (i === 0 || trained !== sample[i - 1]!.trained ? [i] : []));
  return starts
    .map((from, i) => {
      const run = sample.slice(from, starts[i + 1]);
      const text = textOf(
        run.map(({ id }) => id),
        tokenizer,
      );
      return run[0]!.trained ? text : MASKED.join(text);
    })
    .join("");
}

/** The text of tokens. Positions of images have negative ids, and no text. */
const textOf = (ids: readonly number[], tokenizer: Tokenizer): string =>
  Buffer.concat(ids.filter((id) => id >= 0).map((id) => tokenizer.bytes(id))).toString();
