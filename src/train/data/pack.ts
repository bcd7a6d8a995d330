import { UserError } from "../../util/errors.ts";
import type { BatchRow, Dropped, RankedList, TrainingData } from "./batch.ts";
import { type Batching, inBatches } from "./rows.ts";
import type { Sample } from "./samples.ts";

export interface Packing extends Batching {
  /** True for several samples per row, if they fit. */
  readonly packing: boolean;
}

/**
 * Samples as rows of `tokens` positions: one per row, or several. Samples that are too long or have no label are
 * dropped and counted.
 * @throws UserError if none remain
 */
export function sampleData(samples: readonly Sample[], { packing, ...batching }: Packing): TrainingData {
  const { kept, dropped } = sorted(samples, batching.tokens);
  if (packing && kept.some(({ image, seen }) => image ?? seen))
    throw new UserError("packing: a row has at most one image", 2);
  const rows = packing ? packed(kept, batching.tokens) : kept.map(alone);
  const source = { count: rows.length, samples: kept.length, dropped, packed: packing };
  return inBatches({ ...source, row: (index) => rows[index]! }, batching);
}

function sorted(samples: readonly Sample[], tokens: number): { kept: readonly Sample[]; dropped: Dropped } {
  const labelled = samples.filter(({ labels }) => labels.some((label) => label >= 0));
  const kept = labelled.filter(({ ids }) => ids.length <= tokens);
  const dropped = { long: labelled.length - kept.length, unlabelled: samples.length - labelled.length };
  if (kept.length > 0) return { kept, dropped };
  if (samples.length === 0) throw new UserError("there are no samples");
  if (labelled.length === 0)
    throw new UserError(`none of the ${samples.length} samples has a token to predict: all labels are masked`);
  const least = labelled.reduce((min, { ids }) => Math.min(min, ids.length), Number.POSITIVE_INFINITY);
  throw new UserError(
    `all ${labelled.length} samples are longer than a row of ${tokens} tokens, the shortest has ${least}`,
  );
}

/** The longest samples first, each into the first row with room for it. */
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

/** Free places, by their size. */
class Rooms {
  /** Rows by their remaining room. */
  readonly #rowsByRoom: number[][];
  #rows = 0;

  constructor(private readonly tokens: number) {
    this.#rowsByRoom = Array.from({ length: tokens + 1 }, () => []);
  }

  /** Takes `length` tokens from the fullest row with enough room, or from a new row. */
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
