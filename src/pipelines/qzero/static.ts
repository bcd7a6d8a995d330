import type { Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { few, UserError } from "../../util/errors.ts";
import type { WordVectors } from "../../weights/vectors/word-vectors.ts";
import type { ReadTerms } from "../labelling.ts";
import { type CountedCategory, countedCategories, keywordsOf } from "./keywords.ts";
import type { LabelSet } from "./labels.ts";
import { countContentWords } from "./nouns.ts";
import type { QZeroOptions } from "./options.ts";
import type { BoundLabels, Contribution, LabelScorer, LabelScores, Lookup, Reading, Reply, Scorer } from "./scorer.ts";
import { ScoringCost } from "./scoring-cost.ts";
import { WordSpace } from "./word-space.ts";

/**
 * Classifies by word vectors: a plain text by the cosine of its words' mean with each label word, categories by the
 * summed cosines of their counted keywords. A label's closest word determines its score.
 */
export class StaticScorer implements Scorer {
  readonly kind = "words";
  readonly #space: WordSpace;
  #unbilledLoad: number;

  /** `load`: the milliseconds that opening the vectors took, billed to the first call. */
  constructor(
    readonly name: string,
    vectors: WordVectors,
    load = 0,
  ) {
    this.#space = new WordSpace(vectors);
    this.#unbilledLoad = load;
  }

  /** @throws UserError for a label without a known word */
  async bind({ names, words }: LabelSet, { signal }: ReadTerms): Promise<BoundLabels> {
    signal?.throwIfAborted();
    const entries = words.flatMap((each, label) =>
      each.flatMap((text) => {
        const unit = this.#space.unit(text);
        return unit ? [{ label, unit }] : [];
      }),
    );
    const unknown = names.filter((_, label) => !entries.some((entry) => entry.label === label));
    if (unknown.length > 0)
      throw new UserError(`${this.name} knows no word of the label ${few(unknown)}; use other words`, 2);
    const load = this.#unbilledLoad;
    this.#unbilledLoad = 0;
    const receipt = receiptOf(this.name, { flops: 0, bytes: 0 }, 0, { load, prefill: 0 });
    return { bound: new BoundStatic(this.name, this.#space, names.length, entries), receipt };
  }
}

/** One of a label's words, as a unit vector. */
interface Entry {
  readonly label: number;
  readonly unit: Float64Array;
}

/** A counted word, as a unit vector. */
interface Keyword {
  readonly name: string;
  readonly count: number;
  readonly unit: Float64Array;
}

class BoundStatic implements LabelScorer {
  readonly #cost: ScoringCost;

  constructor(
    private readonly name: string,
    private readonly space: WordSpace,
    private readonly labels: number,
    private readonly entries: readonly Entry[],
  ) {
    this.#cost = new ScoringCost(space.width, entries.length);
  }

  async plain(texts: readonly string[], terms: ReadTerms): Promise<Reply<LabelScores>> {
    return this.#priced(texts, terms, (text) => {
      const unit = this.space.mean(countContentWords(text));
      return { ...this.#best((entry) => (unit ? dot(unit, entry.unit) : 0)), known: unit !== undefined, rows: 1 };
    });
  }

  async lookedUp(lookups: readonly Lookup[], options: QZeroOptions, terms: ReadTerms): Promise<Reply<Reading>> {
    return this.#priced(lookups, terms, (lookup) => this.#reading(lookup, options));
  }

  #reading({ text, categories }: Lookup, { mode, keywords }: QZeroOptions) {
    const counted = countedCategories(categories, keywords);
    const known = this.#known(keywordsOf(mode === "append" ? text : undefined, counted, keywords));
    // S(l) = sum of c_n cos(n, l), as in the authors' code (rsinghlab/QZERO).
    const { scores, chosen } = this.#best(({ unit }) => weightedSum(known, unit));
    const explain = (label: number) => this.#explained(counted, known, this.entries[chosen[label]!]!);
    const weight = known.reduce((sum, { count }) => sum + count, 0);
    return { scores, known: weight > 0, categories: categories.length, weight, explain, rows: known.length };
  }

  #explained(categories: readonly CountedCategory[], known: readonly Keyword[], { unit }: Entry) {
    const parts = (words: readonly Keyword[], times = 1) => times * weightedSum(words, unit);
    return {
      categories: categories.map(({ name, count, words }): Contribution => {
        return { name, count, contribution: parts(this.#known(words), count) };
      }),
      keywords: known.map((word): Contribution => {
        return { name: word.name, count: word.count, contribution: parts([word]) };
      }),
    };
  }

  #known(counts: ReadonlyMap<string, number>): Keyword[] {
    return [...counts].flatMap(([name, count]) => {
      const unit = this.space.unit(name);
      return unit ? [{ name, count, unit }] : [];
    });
  }

  /** Each label's score by its best word, and that word's index. */
  #best(scoreOf: (entry: Entry) => number): { scores: number[]; chosen: number[] } {
    const scores = Array<number>(this.labels).fill(Number.NEGATIVE_INFINITY);
    const chosen = Array<number>(this.labels).fill(0);
    for (const [place, entry] of this.entries.entries()) {
      const score = scoreOf(entry);
      if (score <= scores[entry.label]!) continue;
      [scores[entry.label], chosen[entry.label]] = [score, place];
    }
    return { scores, chosen };
  }

  #priced<I, T extends { rows: number }>(items: readonly I[], terms: ReadTerms, read: (item: I) => T): Reply<T> {
    const started = performance.now();
    terms.signal?.throwIfAborted();
    terms.onBegun?.();
    const answers = items.map(read);
    const rows = answers.reduce((sum, answer) => sum + answer.rows, 0);
    return {
      answers,
      receipt: receiptOf(this.name, this.#cost.of(rows), rows, { load: 0, prefill: performance.now() - started }),
    };
  }
}

/** The count-weighted sum of the words' cosines with a label word. */
const weightedSum = (words: readonly Keyword[], label: Float64Array): number =>
  words.reduce((sum, { count, unit }) => sum + count * dot(unit, label), 0);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

const receiptOf = (model: string, spent: Spent, words: number, ms: Pick<Receipt["ms"], "load" | "prefill">): Receipt =>
  makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt: words, cached: 0, completion: 0 },
    flops: { dense: spent.flops, spent: spent.flops, overhead: 0 },
    bytes: { dense: spent.bytes, spent: spent.bytes },
    ms: { queue: 0, encode: 0, decode: 0, ...ms },
  });
