import { seededRandom } from "../../../util/random.ts";
import type { Batch, TrainingData } from "../../data/batch.ts";
import { type Denoiser, drawDenoiser } from "./denoisers.ts";
import { longestText, type Sequence, sequenceOf } from "./sequence.ts";
import type { DenoisingIds } from "./tokens.ts";

/** A mixture of denoisers with its special tokens, and the share of texts that are not denoised. */
export interface Denoising {
  readonly mixture: readonly Denoiser[];
  /** The share of texts that are trained causally, without denoising. */
  readonly causal: number;
  readonly tokens: DenoisingIds;
  /** True if inputs attend to each other in both directions. */
  readonly prefixed: boolean;
}

/** Denoises the texts of batches; like the original batches, each is determined by its index. */
export function denoised(data: TrainingData, denoising: Denoising, seed: number): TrainingData {
  const first = Math.floor(seededRandom(seed)() * 2 ** 52);
  return {
    ...data,
    prefixed: denoising.prefixed,
    batch: (index) => denoisedBatch(data.batch(index), denoising, seededRandom(first + index)),
  };
}

function denoisedBatch(batch: Batch, denoising: Denoising, random: () => number): Batch {
  const [ids, labels] = [batch.ids.slice(), batch.labels.slice()];
  const prefix = new Int32Array(ids.length);
  for (const slot of slotsOf(batch)) {
    if (random() < denoising.causal) continue;
    const sequence = denoisedText(textOf(batch, slot), slot.end - slot.from + 1, denoising, random);
    if (sequence) place(sequence, slot, { ids, labels, prefix });
  }
  const labelled = labels.reduce((sum, label) => sum + Number(label >= 0), 0);
  return { ...batch, ids, labels, labelled, ...(denoising.prefixed && { prefix }) };
}

/** A text's positions in a batch, `from` inclusive, `to` exclusive; its denoised sequence may extend to `end`. */
interface Slot {
  readonly from: number;
  readonly to: number;
  readonly end: number;
}

/** A batch's texts: its rows up to their last label, or the documents of packed rows. */
function slotsOf({ rows, tokens, labels, documents }: Batch): Slot[] {
  return Array.from({ length: rows }, (_, row) => {
    const [from, end] = [row * tokens, (row + 1) * tokens];
    if (documents) return documentsOf(documents, from, end);
    const to = from + labels.subarray(from, end).findLastIndex((label) => label >= 0) + 1;
    return to > from ? [{ from, to, end }] : [];
  }).flat();
}

function documentsOf(documents: Int32Array, from: number, end: number): Slot[] {
  const slots: Slot[] = [];
  for (let at = from; at < end && documents[at]! >= 0; ) {
    let to = at;
    while (to < end && documents[to] === documents[at]) to++;
    slots.push({ from: at, to, end: to });
    at = to;
  }
  return slots;
}

/** The tokens in a slot, followed by the label of its last position, if any. */
function textOf({ ids, labels }: Batch, { from, to }: Slot): Int32Array {
  const last = labels[to - 1]!;
  return Int32Array.from([...ids.subarray(from, to), ...(last >= 0 ? [last] : [])]);
}

/**
 * Denoises a text, or a random section of a text that is too long, into at most `room` tokens. Undefined if the text is
 * too short for the drawn denoiser.
 */
function denoisedText(
  text: Int32Array,
  room: number,
  { mixture, tokens }: Denoising,
  random: () => number,
): Sequence | undefined {
  const denoiser = drawDenoiser(mixture, random);
  const length = longestText(text.length, room, denoiser);
  if (length === undefined) return undefined;
  const start = Math.floor(random() * (text.length - length + 1));
  return sequenceOf(text.subarray(start, start + length), denoiser, tokens, random);
}

/** Writes a sequence into its slot; only its targets are labels. */
function place(
  { ids, prefix }: Sequence,
  { from, end }: Slot,
  batch: { readonly ids: Int32Array; readonly labels: Int32Array; readonly prefix: Int32Array },
): void {
  batch.ids.fill(0, from, end).set(ids.slice(0, -1), from);
  batch.labels.fill(-1, from, end).set(ids.slice(prefix), from + prefix - 1);
  batch.prefix.fill(1, from, from + prefix);
}
