import type { Receipt } from "../../ledger/receipt.ts";
import { UserError } from "../../util/errors.ts";
import type { ReadTerms } from "../labelling.ts";
import { type LookupPrices, QZeroBill } from "./bill.ts";
import { type CategorisedDocument, categoriesOf } from "./documents.ts";
import type { LabelSet } from "./labels.ts";

import { measuredNotice } from "./measured.ts";
import { checkQZeroOptions, type QZeroInput, type QZeroOptions } from "./options.ts";
import type { Contribution, LabelScorer, LabelScores, Reading, Reply, Scorer } from "./scorer.ts";

/** A source of documents for a call's texts. */
export interface DocumentSource {
  /** True for a search; false if the caller passed the documents. */
  readonly searched: boolean;
  /** The documents for the text at an index, the best first, and the cost of a search. */
  find(
    place: number,
    options: QZeroOptions,
    terms: ReadTerms,
  ): Promise<{ documents: readonly CategorisedDocument[]; receipt?: Receipt }>;
}

export interface ClassifyTerms extends ReadTerms {
  /** The classifier's name and recipe, as receipts show them. */
  readonly named: { readonly model: string; readonly recipe: readonly string[] };
  readonly source: DocumentSource;
  /** The mean costs of earlier lookups with the same index and model. */
  readonly prices: LookupPrices;
  /** If true, also returns the parts of each decision. */
  readonly explain: boolean;
  /** Called at the first lookup, with a notice about the gain measured on real data. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** The parts of a decision. */
export interface Explanation {
  readonly documents: readonly CategorisedDocument[];
  /** The categories that were read, each with its contribution to the label's score if the score is a sum. */
  readonly categories: readonly Contribution[];
  /** The known words that were counted, if the model consists of word vectors. */
  readonly keywords: readonly Contribution[];
  /** The numbers of categories found and read, and of an encoder's tokens before and after the cut. */
  readonly read: { readonly found: number; readonly categories: number; readonly tokens?: Reading["tokens"] };
}

export interface QZeroResult {
  /** Null if the model knows no word of the text or its categories. */
  readonly label: string | null;
  readonly scores: Readonly<Record<string, number>>;
  /** True if the text was looked up. */
  readonly retrieved: boolean;
  /** True if the lookup found nothing, so that the text alone decided. */
  readonly fallback: boolean;
  readonly explanation?: Explanation;
}

export interface QZeroAnswer {
  readonly results: readonly QZeroResult[];
  readonly receipt: Receipt;
}

/**
 * Classifies texts by the categories of documents found for them (QZero, Abdullahi et al., arXiv 2406.15241). Missing
 * options take the defaults of the scorer's kind.
 * @throws UserError for an empty text, or an invalid option
 */
export async function classify(
  scorer: Scorer,
  texts: readonly string[],
  labels: LabelSet,
  input: QZeroInput,
  terms: ClassifyTerms,
): Promise<QZeroAnswer> {
  const options = checkQZeroOptions(input, scorer.kind);
  const empty = texts.findIndex((text) => text.trim() === "");
  if (empty >= 0) throw new UserError(`text ${empty + 1} is empty, expected at least one word`, 2);
  if (texts.length === 0) throw new UserError("no texts given; expected at least one", 2);
  const run = new Classification(texts, labels, options, terms);
  try {
    return await run.whole(scorer);
  } finally {
    run.close();
  }
}

/** A text that was looked up. */
interface Lookup {
  readonly documents: readonly CategorisedDocument[];
  readonly categories: readonly string[];
}

class Classification {
  readonly #bill: QZeroBill;
  readonly #plain = new Map<number, LabelScores>();
  readonly #found = new Map<number, Lookup>();
  readonly #readings = new Map<number, Reading>();
  #begun = false;
  #done = false;

  constructor(
    private readonly texts: readonly string[],
    private readonly labels: LabelSet,
    private readonly options: QZeroOptions,
    private readonly terms: ClassifyTerms,
  ) {
    this.#bill = new QZeroBill(terms.named, terms.arrived);
  }

  async whole(scorer: Scorer): Promise<QZeroAnswer> {
    const { mode, when } = this.options;
    const { bound, receipt } = await scorer.bind(this.labels, this.#call());
    if (receipt) this.#ran(() => this.#bill.other(receipt));
    const all = [...this.texts.keys()];
    if (when === "margin" || mode === "interpolate") await this.#readPlain(bound, all);
    for (const i of all.filter((i) => this.#isWanted(i))) await this.#find(i);
    if (this.#found.size > 0) this.terms.onNotice?.(measuredNotice(scorer.kind));
    const looked = all.filter((i) => (this.#found.get(i)?.categories.length ?? 0) > 0);
    await this.#readWithCategories(bound, looked);
    const unread = all.filter((i) => !this.#readings.has(i) && !this.#plain.has(i));
    await this.#readPlain(bound, unread);
    this.#done = true;
    return { results: all.map((i) => this.#result(i)), receipt: this.#receipt() };
  }

  /** True if a text needs a lookup. */
  #isWanted(i: number): boolean {
    const { when, margin } = this.options;
    return when === "always" || marginOf(this.#plain.get(i)!.scores) < margin;
  }

  async #find(i: number): Promise<void> {
    this.terms.signal?.throwIfAborted();
    const { documents, receipt } = await this.terms.source.find(i, this.options, this.#call());
    if (receipt) this.#ran(() => this.#bill.search(receipt));
    this.#found.set(i, { documents, categories: categoriesOf(documents, this.options.categoryFilter) });
  }

  async #readPlain(bound: LabelScorer, places: readonly number[]): Promise<void> {
    const texts = places.map((i) => this.texts[i]!);
    const scores = await this.#read(
      texts,
      () => bound.plain(texts, this.#call()),
      (it) => this.#bill.plain(it),
    );
    for (const [k, i] of places.entries()) this.#plain.set(i, scores[k]!);
  }

  /** Scores texts with their categories; without any known word or category, a text keeps its own score. */
  async #readWithCategories(bound: LabelScorer, places: readonly number[]): Promise<void> {
    const lookups = places.map((i) => ({ text: this.texts[i]!, categories: this.#found.get(i)!.categories }));
    const read = () => bound.lookedUp(lookups, this.options, this.#call());
    const readings = await this.#read(lookups, read, (it) => this.#bill.lookedUp(it));
    for (const [k, i] of places.entries()) if (readings[k]!.known) this.#readings.set(i, readings[k]!);
  }

  async #read<T>(
    items: readonly unknown[],
    read: () => Promise<Reply<T>>,
    billed: (receipt: Receipt) => void,
  ): Promise<readonly T[]> {
    if (items.length === 0) return [];
    const { answers, receipt } = await read();
    this.#ran(() => billed(receipt));
    return answers;
  }

  #result(i: number): QZeroResult {
    const { names } = this.labels;
    const reading = this.#readings.get(i);
    const scores = this.#scores(i);
    const known = reading !== undefined || this.#plain.get(i)!.known;
    const label = highest(scores);
    return {
      label: known ? names[label]! : null,
      scores: Object.fromEntries(names.map((name, place) => [name, scores[place]!])),
      retrieved: this.#found.has(i),
      fallback: this.#found.has(i) && !reading,
      ...(this.terms.explain && { explanation: this.#explanation(i, label) }),
    };
  }

  #scores(i: number): readonly number[] {
    const { mode, alpha } = this.options;
    const reading = this.#readings.get(i);
    if (!reading) return this.#plain.get(i)!.scores;
    if (mode !== "interpolate") return reading.scores;
    const plain = this.#plain.get(i)!.scores;
    return plain.map((score, label) => (1 - alpha) * score + this.#share(reading) * reading.scores[label]!);
  }

  /** The weight of the categories' score in a text's score. */
  #share(reading: Reading | undefined): number {
    const { mode, alpha } = this.options;
    return mode === "interpolate" && reading ? alpha / reading.weight : 1;
  }

  #explanation(i: number, label: number): Explanation {
    const { documents, categories } = this.#found.get(i) ?? { documents: [], categories: [] };
    const reading = this.#readings.get(i);
    const parts = reading?.explain(label) ?? { categories: [], keywords: [] };
    const tokens = reading?.tokens;
    const share = this.#share(reading);
    const ofScore = (all: readonly Contribution[]) => byContribution(all.map((part) => scaled(part, share)));
    return {
      documents,
      categories: ofScore(parts.categories),
      keywords: ofScore(parts.keywords),
      read: { found: categories.length, categories: reading?.categories ?? 0, ...(tokens && { tokens }) },
    };
  }

  #receipt(): Receipt {
    const { options, terms } = this;
    const outcome = {
      texts: this.texts.length,
      searched: terms.source.searched,
      skipped: this.texts.length - this.#found.size,
      fallbacks: this.#found.size - this.#readings.size,
      gated: options.when === "margin" && options.mode !== "interpolate",
    };
    const how = { searched: terms.source.searched, options };
    terms.prices.add(how, this.#found.size, this.#bill.lookups);
    return this.#bill.receipt(outcome, terms.prices.mean(how));
  }

  #ran(billed: () => void): void {
    this.#begun = true;
    billed();
  }

  /** The options of the next call; only the first call counts as the start of the request. */
  #call(): ReadTerms {
    const { named: _, source, prices, explain, onNotice, arrived, onBegun, ceiling, ...terms } = this.terms;
    const flops = ceiling?.flops;
    return {
      ...terms,
      ...(!this.#begun && { arrived, onBegun }),
      ...(flops !== undefined && { ceiling: { flops: Math.max(1, flops - this.#bill.spent) } }),
      onStopped: (receipt) => this.#ran(() => this.#bill.other(receipt)),
    };
  }

  /** Reports the cost of a call that was stopped or failed. */
  close(): void {
    if (!this.#done && this.#begun) this.terms.onStopped?.(this.#bill.stopped());
  }
}

/** The lowest index of the highest score. */
const highest = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

/** The best score minus the second. */
function marginOf(scores: readonly number[]): number {
  const [best, second] = [...scores].sort((a, b) => b - a);
  return best! - second!;
}

const scaled = ({ contribution, ...part }: Contribution, share: number): Contribution =>
  contribution === undefined ? part : { ...part, contribution: share * contribution };

/** Sorts by contribution, or by frequency if contributions are unknown; the greatest first. */
const byContribution = (parts: readonly Contribution[]): Contribution[] =>
  [...parts].sort((a, b) => (b.contribution ?? b.count) - (a.contribution ?? a.count));
