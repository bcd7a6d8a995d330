import { seededRandom } from "../../../util/random.ts";
import type { Batch, TrainingData } from "../../data/batch.ts";

export interface Masking {
  /** The mask token. */
  readonly mask: number;
  /** True if the model predicts a token at the position before it. */
  readonly shifted: boolean;
  /** The smallest share of tokens to mask. */
  readonly epsilon: number;
}

/** Masks a random share of each batch's labels, which are tokens at their own positions; the index seeds the draw. */
export function masked(data: TrainingData, masking: Masking, seed: number): TrainingData {
  const first = Math.floor(seededRandom(seed)() * 2 ** 52);
  return { ...data, batch: (index) => maskedBatch(data.batch(index), masking, seededRandom(first + index)) };
}

/**
 * Masks each label of a text with the probability p = (1 − ε)·t + ε. Each text's t is uniform in [0, 1]; the t of a
 * batch's texts are evenly spaced, which gives less variance than independent draws (Kingma et al. 2021, arXiv
 * 2107.00630, appendix I.1). A masked label has the weight 1/p, and all texts have the same total weight, whatever
 * their answers' lengths.
 */
export function maskedBatch(batch: Batch, { mask, shifted, epsilon }: Masking, random: () => number): Batch {
  const { ids: inputs, labels: tokens } = batch;
  const [ids, labels, weights] = [inputs.slice(), tokens.map(() => -1), new Float32Array(inputs.length)];
  const documents = new Int32Array(inputs.length).fill(-1);
  const texts = textsOf(batch);
  const labelled = texts.reduce((sum, { answer }) => sum + answer.length, 0);
  const first = random();
  for (const [i, { from, to, answer }] of texts.entries()) {
    documents.fill(i, from, to);
    const t = (first + i / texts.length) % 1;
    const p = (1 - epsilon) * t + epsilon;
    for (const at of answer.filter(() => random() < p)) {
      ids[at] = mask;
      const place = shifted ? at - 1 : at;
      if (place < from) continue;
      labels[place] = tokens[at]!;
      weights[place] = labelled / (p * texts.length * answer.length);
    }
  }
  return { ...batch, ids, labels, weights, labelled, documents };
}

/** One text's positions in a batch, `from` inclusive, `to` exclusive, and its labelled positions. */
interface Text {
  readonly from: number;
  readonly to: number;
  readonly answer: readonly number[];
}

/** A batch's texts: the documents of packed rows; otherwise, rows up to their last label. */
function textsOf({ rows, tokens, labels, documents }: Batch): Text[] {
  return Array.from({ length: rows }, (_, row) => {
    const [first, end] = [row * tokens, (row + 1) * tokens];
    const last = labels.subarray(first, end).findLastIndex((label) => label >= 0);
    const borders = documents ? bordersOf(documents, first, end) : [first, first + last + 1];
    return borders.slice(1).map((to, i) => textOf(labels, borders[i]!, to));
  })
    .flat()
    .filter(({ answer }) => answer.length > 0);
}

/** The positions in a row where documents begin, and where the last document ends. */
function bordersOf(documents: Int32Array, first: number, end: number): number[] {
  const borders = [first];
  for (let at = first; at < end && documents[at]! >= 0; at++)
    if (at + 1 === end || documents[at + 1] !== documents[at]) borders.push(at + 1);
  return borders;
}

function textOf(labels: Int32Array, from: number, to: number): Text {
  const places = Array.from({ length: to - from }, (_, i) => from + i);
  return { from, to, answer: places.filter((at) => labels[at]! >= 0) };
}
