import { type Batch, type BatchRow, type DropCounts, NONE_DROPPED, type TrainingData } from "./batch.ts";
import { epochOrder, type MixturePart, mixedOrder, quotasOf } from "./order.ts";

export interface Batching {
  /** Rows per batch. */
  readonly rows: number;
  /** Positions per row. */
  readonly tokens: number;
  /** The shuffle seed; the order differs in each epoch. Without a seed, rows stay in order. */
  readonly seed?: number | undefined;
}

/** The rows of an epoch. */
interface Source {
  readonly count: number;
  readonly samples: number;
  readonly dropped?: DropCounts;
  /** True if a row may hold several samples. */
  readonly packed?: boolean | undefined;
  /** The files of a mixture, whose rows are consecutive; if absent, all rows count equally. */
  readonly parts?: readonly MixturePart[] | undefined;
  row(index: number, epoch: number): BatchRow;
}

/** Puts rows into batches, each row once per epoch. Rows without labels pad the last batch. */
export function inBatches(source: Source, { rows, tokens, seed }: Batching): TrainingData {
  const { samples, dropped = NONE_DROPPED, packed = false } = source;
  const { count, orderOf } = orderOfRows(source, seed);
  const batches = Math.ceil(count / rows);
  return {
    ...{ rows, tokens, batches, samples, dropped },
    batch(index) {
      const epoch = Math.floor(index / batches);
      const order = orderOf(epoch);
      const first = (index % batches) * rows;
      const places = order.subarray(first, first + rows);
      return joined(
        Array.from(places, (place) => source.row(place, epoch)),
        { rows, tokens, packed },
      );
    },
  };
}

function orderOfRows({ count, parts }: Source, seed: number | undefined) {
  if (!parts || seed === undefined) return { count, orderOf: epochOrder(count, seed) };
  return { count: quotasOf(parts).reduce((sum, quota) => sum + quota, 0), orderOf: mixedOrder(parts, seed) };
}

export function joined(
  all: readonly BatchRow[],
  { rows, tokens, packed }: { rows: number; tokens: number; packed: boolean },
): Batch {
  const ids = new Int32Array(rows * tokens);
  const labels = new Int32Array(rows * tokens).fill(-1);
  const filled = Int32Array.from({ length: rows }, (_, i) => all[i]?.ids.length ?? 0);
  const documents = packed ? new Int32Array(rows * tokens).fill(-1) : undefined;
  for (const [i, row] of all.entries()) {
    ids.set(row.ids, i * tokens);
    labels.set(row.labels, i * tokens);
    if (row.documents) documents?.set(row.documents, i * tokens);
  }
  const labelled = labels.reduce((sum, label) => sum + Number(label >= 0), 0);
  const samples = all.reduce((sum, row) => sum + row.samples, 0);
  const lists = all.flatMap((row, i) => (row.lists ?? []).map((list) => ({ ...list, at: i * tokens + list.at })));
  return {
    ...{ rows, tokens, ids, labels, labelled, samples, filled },
    ...(documents && { documents }),
    ...(lists.length > 0 && { lists }),
    ...(all.some(({ image }) => image) && { images: all.map(({ image }) => image) }),
    ...(all.some(({ seen }) => seen) && { seen: all.map(({ seen }) => seen) }),
    ...(all.some(({ visual }) => visual) && { visual: all.map(({ visual = [] }) => visual) }),
  };
}
