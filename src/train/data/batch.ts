import type { SpannedPrompt } from "../../engine/decode/run/spans.ts";
import type { Bindings } from "../../graph/index.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import type { NoisyImages } from "../methods/noise/batches.ts";
import type { ComparisonBatch } from "../methods/preferences/comparisons.ts";

/** A list of documents that a sample ranks by letters. */
export interface RankedList {
  /** The position in [rows, tokens] that predicts the first letter of the ranking. */
  readonly at: number;
  /** The token of each document's letter; at most 26. */
  readonly letters: Int32Array;
  /** The teacher's ranks, 1 for the best; equal ranks are not compared. */
  readonly ranks: Int32Array;
  /** The sample's number of labels: the list's weight in a batch. */
  readonly labels: number;
}

/** An image among the tokens of a row. */
export interface PlacedImage {
  /** The position of the image's first token. */
  readonly at: number;
  /** The image's pixels as the model reads them, [channels, side, side]. */
  pixels(): Float32Array;
}

/** A row's ids, negative at image positions, and the images' embedding rows. */
export type SeenRow = Pick<SpannedPrompt, "prompt" | "embeddings">;

/** Latent vectors that replace a row's tokens from position `at` on: [vectors, width]. */
export interface PlacedLatents {
  readonly at: number;
  readonly states: Float32Array;
}

/** Rows of tokens that a model processes together. */
export interface Batch {
  readonly rows: number;
  readonly tokens: number;
  /** [rows, tokens]; 0 after a row's last token. */
  readonly ids: Int32Array;
  /**
   * The targets. For language models: the token that each position [rows, tokens] should predict, or −1. For texts:
   * each row's class. For pairs: the index of each query's document; queries are the first rows.
   */
  readonly labels: Int32Array;
  /** The number of labels other than −1; with `weights`, the number of positions that the loss averages over. */
  readonly labelled: number;
  /** [rows, tokens]: each label's weight in the loss; default: 1. */
  readonly weights?: Float32Array;
  /** The number of samples; rows that pad an epoch's last batch hold no sample. */
  readonly samples: number;
  /**
   * [rows, tokens]: the index of each position's sample in its row, from 0, or −1. Absent if no row holds more than one
   * sample.
   */
  readonly documents?: Int32Array;
  /**
   * [rows, tokens]: 1 for positions in their sample's prefix, which attends in both directions; absent if there are no
   * prefixes.
   */
  readonly prefix?: Int32Array;
  /** Lists that the samples rank, if any. */
  readonly lists?: readonly RankedList[];
  /** Completions that a method compares; `labelled` is then the number of samples. */
  readonly compared?: ComparisonBatch;
  /** Each row's image, if it has one; absent if no row has an image. */
  readonly images?: readonly (PlacedImage | undefined)[];
  /** Each row's images, as encoded by a frozen encoder; absent if no row has images. */
  readonly seen?: readonly (SeenRow | undefined)[];
  /** The token grids of each row's images; absent if no row has images. */
  readonly visual?: readonly (readonly VisualSpan[])[];
  /** Noisy images, one per row, instead of tokens. */
  readonly drawings?: NoisyImages;
  /** Each row's latent vectors; absent if rows have none. */
  readonly latents?: readonly PlacedLatents[];
  /** The number of tokens per row that programs read; absent if they read whole rows. */
  readonly lengths?: Int32Array;
  /** The number of tokens per row without padding, if `lengths` is absent; default: all. */
  readonly filled?: Int32Array;
}

/** Tokens per row. */
export const lengthsOf = ({ rows, tokens, lengths }: Batch): Int32Array => lengths ?? new Int32Array(rows).fill(tokens);

/** Tokens without padding. */
export const tokensIn = ({ rows, tokens, lengths, filled = lengths }: Batch): number =>
  filled ? filled.reduce((sum, length) => sum + length, 0) : rows * tokens;

/** Sizes that are symbolic in graphs, so that one graph serves batches of any size. */
export function sizesOf(batch: Batch): Bindings {
  const { rows, tokens, labelled, labels, compared } = batch;
  const unpadded = lengthsOf(batch).reduce((sum, length) => sum + length, 0);
  const n = compared ? labels.reduce((sum, label) => sum + Number(label >= 0), 0) : labelled;
  return { batch: rows, tokens, kept: unpadded, n, queries: labelled, documents: rows - labelled };
}

/** Training or evaluation data, in batches. */
export interface TrainingData {
  /** The maximum number of rows per batch. */
  readonly rows: number;
  /** The maximum number of tokens per row. */
  readonly tokens: number;
  /** Batches per epoch. */
  readonly batches: number;
  /** Samples per epoch. */
  readonly samples: number;
  readonly dropped: DropCounts;
  /** True if batches have bidirectional prefixes. */
  readonly prefixed?: boolean;
  /** Returns a batch that depends only on its index from the run's start; the epoch is ⌊index / batches⌋. */
  batch(index: number): Batch;
}

/** Samples that are dropped or cut. */
export interface DropCounts {
  /** The number of samples dropped because they are longer than a row. */
  readonly long: number;
  /** The number of dropped samples without a label, such as a chat without an answer. */
  readonly unlabelled: number;
  /** The number of samples cut to a row's length; absent if none were. */
  readonly truncated?: number;
}

export const NONE_DROPPED: DropCounts = { long: 0, unlabelled: 0 };

/** One row of a batch, at most `tokens` long. */
export interface BatchRow {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  readonly documents?: Int32Array;
  /** The lists that the row's samples rank, with positions in the row. */
  readonly lists?: readonly RankedList[];
  readonly image?: PlacedImage;
  readonly seen?: SeenRow;
  readonly visual?: readonly VisualSpan[];
  readonly samples: number;
}
