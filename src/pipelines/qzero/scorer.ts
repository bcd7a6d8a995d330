import type { Receipt } from "../../ledger/receipt.ts";
import type { ReadTerms } from "../labelling.ts";
import type { LabelSet } from "./labels.ts";
import type { QZeroOptions, ScorerKind } from "./options.ts";

/** A text's score for each label. */
export interface LabelScores {
  readonly scores: readonly number[];
  /** False if no word of the text is known; all scores are then 0. */
  readonly known: boolean;
}

/** A text and the categories found for it, in the order of the documents. */
export interface Lookup {
  readonly text: string;
  readonly categories: readonly string[];
}

/** The contribution of one of a text's words or categories to a label's score. */
export interface Contribution {
  readonly name: string;
  /** The number of occurrences of the word or category. */
  readonly count: number;
  /** The part of the score from all `count` occurrences; undefined if scores are not sums, as with an encoder. */
  readonly contribution?: number;
}

/** A text with its categories, as scored. */
export interface Reading extends LabelScores {
  /** The number of categories that were read, starting with the first. */
  readonly categories: number;
  /** The divisor that turns scores into cosines: the number of counted words, or 1. */
  readonly weight: number;
  /** An encoder's tokens before and after the text was cut. */
  readonly tokens?: { readonly given: number; readonly read: number };
  /** The parts of a label's score. */
  explain(label: number): { readonly categories: Contribution[]; readonly keywords: Contribution[] };
}

export interface Reply<T> {
  readonly answers: readonly T[];
  readonly receipt: Receipt;
}

/** Scores texts for fixed labels. */
export interface LabelScorer {
  plain(texts: readonly string[], terms: ReadTerms): Promise<Reply<LabelScores>>;
  lookedUp(lookups: readonly Lookup[], options: QZeroOptions, terms: ReadTerms): Promise<Reply<Reading>>;
}

export interface BoundLabels {
  readonly bound: LabelScorer;
  /** The cost of encoding the labels, if they were encoded. */
  readonly receipt?: Receipt;
}

/** An encoder or word vectors as the classifier sees them. */
export interface Scorer {
  readonly kind: ScorerKind;
  bind(labels: LabelSet, terms: ReadTerms): Promise<BoundLabels>;
}
