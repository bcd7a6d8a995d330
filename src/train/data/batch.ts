/** Rows of tokens of one length, which a model's programs process together. */
export interface Batch {
  readonly rows: number;
  readonly tokens: number;
  /** [rows, tokens]; 0 behind a row's last token. */
  readonly ids: Int32Array;
  /** [rows, tokens]: the token that each position should predict; −1: none. */
  readonly labels: Int32Array;
  /** Positions that have a label. */
  readonly labelled: number;
  /** The number of samples; rows that only fill up an epoch's last batch hold none. */
  readonly samples: number;
  /**
   * [rows, tokens]: the index of the position's sample in its row, from 0; −1: none. Absent if no row holds more than
   * one.
   */
  readonly documents?: Int32Array;
}

/** The data of training or evaluation, in batches. */
export interface TrainingData {
  readonly rows: number;
  readonly tokens: number;
  /** Batches of one epoch. */
  readonly batches: number;
  /** Samples of one epoch. */
  readonly samples: number;
  readonly dropped: Dropped;
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
export interface Row {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  readonly documents?: Int32Array;
  readonly samples: number;
}
