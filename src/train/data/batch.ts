/** Rows of tokens, all of one length: what a model's programs are run on at once. */
export interface Batch {
  readonly rows: number;
  readonly tokens: number;
  /** [rows, tokens]; 0 behind a row's last token. */
  readonly ids: Int32Array;
  /** [rows, tokens]: the token that each position is trained to predict; −1: none. */
  readonly labels: Int32Array;
  /** Positions that have a label. */
  readonly labelled: number;
  /** Samples in it; rows that only fill up an epoch's last batch hold none. */
  readonly samples: number;
  /** [rows, tokens]: to which of its row's samples a position belongs, from 0; −1: to none. Absent if no row holds more than one. */
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
  /** Without a token that is to be predicted, such as a chat without an answer. */
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
