import { UserError } from "../../util/errors.ts";
import type { BatchRow, DropCounts, RankedList, TrainingData } from "./batch.ts";
import { type Batching, inBatches } from "./rows.ts";
import type { Sample } from "./samples.ts";

export interface Packing extends Batching {
  /** True to put several samples into a row, if they fit. */
  readonly packing: boolean;
  /** True to cut the end of samples that are too long. */
  readonly truncate?: boolean;
  /** The weight of each file in a mixture; by default, files count in proportion to their sizes. */
  readonly weights?: readonly number[] | undefined;
}

/**
 * Puts one or several samples into each row of `tokens` positions. Drops samples without a label, drops or cuts samples
 * that are too long, and counts the dropped and cut samples.
 * @throws UserError if no samples remain
 */
export function sampleData(
  samples: readonly Sample[],
  { packing, truncate = false, weights, ...batching }: Packing,
): TrainingData {
  const { tokens } = batching;
  const { kept, dropped } = sorted(truncate ? samples.map((sample) => cut(sample, tokens)) : samples, tokens);
  if (packing && kept.some(({ image, seen }) => image ?? seen))
    throw new UserError("packing: a row has at most one image", 2);
  const files = weights ? weights.map((_, file) => kept.filter(({ source }) => source === file)) : [kept];
  const grouped = files.map((own) => (packing ? packed(own, tokens) : own.map(alone)));
  const rows = grouped.flat();
  const parts = weights?.map((weight, file) => ({ weight, count: grouped[file]!.length }));
  const source = { count: rows.length, samples: kept.length, dropped, packed: packing, parts };
  return inBatches({ ...source, row: (index) => rows[index]! }, batching);
}

/** Cuts a sample to a row's length, unless it has lists or images, which need all of its tokens. */
function cut(sample: Sample, tokens: number): Sample {
  const { ids, labels, list, image, seen, visual } = sample;
  if (ids.length <= tokens || (list ?? image ?? seen ?? visual)) return sample;
  return { ...sample, ids: ids.slice(0, tokens), labels: labels.slice(0, tokens), cut: true };
}

function sorted(samples: readonly Sample[], tokens: number): { kept: readonly Sample[]; dropped: DropCounts } {
  const labelled = samples.filter(({ labels }) => labels.some((label) => label >= 0));
  const kept = labelled.filter(({ ids }) => ids.length <= tokens);
  const truncated = kept.filter((sample) => sample.cut).length;
  const dropped = { long: labelled.length - kept.length, unlabelled: samples.length - labelled.length };
  if (kept.length > 0) return { kept, dropped: { ...dropped, ...(truncated > 0 && { truncated }) } };
  if (samples.length === 0) throw new UserError("there are no samples");
  if (labelled.length === 0)
    throw new UserError(`none of the ${samples.length} samples has a token to predict: all labels are masked`);
  const least = labelled.reduce((min, { ids }) => Math.min(min, ids.length), Number.POSITIVE_INFINITY);
  throw new UserError(
    `all ${labelled.length} samples are longer than a row of ${tokens} tokens; the shortest has ${least} tokens`,
  );
}

/** Places the longest samples first, each in the fullest row with room for it. */
function packed(samples: readonly Sample[], tokens: number): BatchRow[] {
  const byLength = samples.toSorted((a, b) => b.ids.length - a.ids.length);
  const rooms = new Rooms(tokens);
  const rows: Sample[][] = [];
  for (const sample of byLength) {
    const row = rooms.take(sample.ids.length);
    if (rows[row]) rows[row].push(sample);
    else rows[row] = [sample];
  }
  return rows.map(together);
}

class Rooms {
  /** Rows by their remaining room. */
  readonly #rowsByRoom: number[][];
  #rows = 0;

  constructor(private readonly tokens: number) {
    this.#rowsByRoom = Array.from({ length: tokens + 1 }, () => []);
  }

  /** Reserves `length` positions in the fullest row with enough room, or in a new row; returns the row's index. */
  take(length: number): number {
    let room = length;
    while (room <= this.tokens && this.#rowsByRoom[room]!.length === 0) room++;
    const row = room <= this.tokens ? this.#rowsByRoom[room]!.pop()! : this.#rows++;
    this.#rowsByRoom[Math.min(room, this.tokens) - length]!.push(row);
    return row;
  }
}

const alone = ({ ids, labels, list, image, seen, visual }: Sample): BatchRow => ({
  ...{ ids, labels, samples: 1 },
  ...(list && { lists: [list] }),
  ...(image && { image }),
  ...(seen && { seen }),
  ...(visual && { visual }),
});

function together(samples: readonly Sample[]): BatchRow {
  const length = samples.reduce((sum, { ids }) => sum + ids.length, 0);
  const [ids, labels, documents] = [new Int32Array(length), new Int32Array(length), new Int32Array(length)];
  const lists: RankedList[] = [];
  let at = 0;
  for (const [i, sample] of samples.entries()) {
    if (sample.list) lists.push({ ...sample.list, at: at + sample.list.at });
    ids.set(sample.ids, at);
    labels.set(sample.labels, at);
    documents.fill(i, at, at + sample.ids.length);
    at += sample.ids.length;
  }
  return { ids, labels, documents, samples: samples.length, ...(lists.length > 0 && { lists }) };
}
