import type { SpannedPrompt } from "../../engine/decode/run/spans.ts";
import type { Bindings } from "../../graph/index.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import type { NoisyImages } from "../methods/noise/batches.ts";

/** A list that a sample ranks by letters. */
export interface RankedList {
  /** The place in [rows, tokens] that predicts the first letter of the ranking. */
  readonly at: number;
  /** The letters' tokens, by item, 26 at most. */
  readonly letters: Int32Array;
  /** The teacher's ranks, 1 for the best; equal ones are not compared. */
  readonly ranks: Int32Array;
  /** Labels of the sample, by which its list weighs in a batch. */
  readonly labels: number;
}

/** An image among the tokens of a row. */
export interface PlacedImage {
  /** The place of its first token. */
  readonly at: number;
  /** Its pixels as the model reads them, [channels, side, side]. */
  pixels(): Float32Array;
}

/** A row's ids, those below 0 standing for rows of images, and the images' rows. */
export type SeenRow = Pick<SpannedPrompt, "prompt" | "embeddings">;

/** Latent vectors that stand in a row's places from `at` on: [vectors, width]. */
export interface PlacedLatents {
  readonly at: number;
  readonly states: Float32Array;
}

/** Rows of tokens, which a model's programs process together. */
export interface Batch {
  readonly rows: number;
  readonly tokens: number;
  /** [rows, tokens]; 0 behind a row's last token. */
  readonly ids: Int32Array;
  /**
   * The right choices: of a language model, the token that each position [rows, tokens] should predict, −1: none; of
   * texts, each row's class; of pairs, for each query, the index of its document. Queries are the first rows.
   */
  readonly labels: Int32Array;
  /** Labels that are not −1; with `weights`, the places that the loss is a mean over. */
  readonly labelled: number;
  /** [rows, tokens]: each label's weight in the loss; absent: 1. */
  readonly weights?: Float32Array;
  /** The number of samples; rows that only fill up an epoch's last batch hold none. */
  readonly samples: number;
  /**
   * [rows, tokens]: the index of the position's sample in its row, from 0; −1: none. Absent if no row holds more than
   * one.
   */
  readonly documents?: Int32Array;
  /** [rows, tokens]: 1 for positions of their sample's prefix, which see each other in both directions; absent if none do. */
  readonly prefix?: Int32Array;
  /** Lists that the samples rank; absent if they rank none. */
  readonly lists?: readonly RankedList[];
  /** The image of each row, if it has one; absent if no row has. */
  readonly images?: readonly (PlacedImage | undefined)[];
  /** Of each row with images that a frozen encoder has read; absent if no row has any. */
  readonly seen?: readonly (SeenRow | undefined)[];
  /** The grids of tokens of images in each row; absent if no row has any. */
  readonly visual?: readonly (readonly VisualSpan[])[];
  /** Noisy images, one a row, in place of tokens. */
  readonly drawings?: NoisyImages;
  /** Latent vectors of each row; absent if rows have none. */
  readonly latents?: readonly PlacedLatents[];
  /** Tokens of each row; absent if programs read all of them. */
  readonly lengths?: Int32Array;
}

/** Tokens of each row. */
export const lengthsOf = ({ rows, tokens, lengths }: Batch): Int32Array => lengths ?? new Int32Array(rows).fill(tokens);

/** The sizes that graphs for batches of any size have as symbols. */
export function sizesOf(batch: Batch): Bindings {
  const { rows, tokens, labelled } = batch;
  const kept = lengthsOf(batch).reduce((sum, length) => sum + length, 0);
  return { batch: rows, tokens, kept, n: labelled, queries: labelled, documents: rows - labelled };
}

/** The data of training or evaluation, in batches. */
export interface TrainingData {
  /** Rows of a batch, at most. */
  readonly rows: number;
  /** Tokens of a row, at most. */
  readonly tokens: number;
  /** Batches of one epoch. */
  readonly batches: number;
  /** Samples of one epoch. */
  readonly samples: number;
  readonly dropped: Dropped;
  /** True if batches have prefixes. */
  readonly prefixed?: boolean;
  /** A pure function of the index from the run's start; the epoch is ⌊index / batches⌋. */
  batch(index: number): Batch;
}

/** Samples of the files that no batch has. */
export interface Dropped {
  /** Longer than a row. */
  readonly long: number;
  /** Samples without a label, such as a chat without an answer. */
  readonly unlabelled: number;
}

export const NONE_DROPPED: Dropped = { long: 0, unlabelled: 0 };

/** One row of a batch, at most `tokens` long. */
export interface BatchRow {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  readonly documents?: Int32Array;
  /** The lists of its samples; their places are those in the row. */
  readonly lists?: readonly RankedList[];
  readonly image?: PlacedImage;
  readonly seen?: SeenRow;
  readonly visual?: readonly VisualSpan[];
  readonly samples: number;
}
