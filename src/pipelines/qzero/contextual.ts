import { countsOf } from "../../retrieval/analysis.ts";
import { cosine } from "../../util/cosine.ts";
import type { EncodingModel, Lend, ReadTerms } from "../labelling.ts";
import type { LabelSet } from "./labels.ts";
import type { QZeroOptions } from "./options.ts";
import type { BoundLabels, LabelScorer, LabelScores, Lookup, Reading, Reply, Scorer } from "./scorer.ts";
import { ScoringCost, withCost } from "./scoring-cost.ts";
import { type Cut, cutToTokens } from "./truncate.ts";

/** Classifies by the cosine between a text's vector and the vector of each label's words, joined by spaces. */
export class ContextualScorer implements Scorer {
  readonly kind = "encoder";

  constructor(private readonly lend: Lend) {}

  async bind({ words }: LabelSet, terms: ReadTerms): Promise<BoundLabels> {
    const texts = words.map((each) => each.join(" "));
    const { embeddings, receipt } = await this.lend((model) => model.embed(texts, terms));
    return { bound: new BoundContextual(this.lend, embeddings), receipt };
  }
}

class BoundContextual implements LabelScorer {
  readonly #cost: ScoringCost;

  constructor(
    private readonly lend: Lend,
    private readonly labels: readonly Float32Array[],
  ) {
    this.#cost = new ScoringCost(labels[0]!.length, labels.length);
  }

  plain(texts: readonly string[], terms: ReadTerms): Promise<Reply<LabelScores>> {
    return this.lend((model) => this.#scored(model, texts, terms));
  }

  lookedUp(lookups: readonly Lookup[], options: QZeroOptions, terms: ReadTerms): Promise<Reply<Reading>> {
    return this.lend(async (model) => {
      const cuts = lookups.map((lookup) => cutLookup(model, lookup, options));
      const texts = cuts.map(({ text }) => text);
      const { answers, receipt } = await this.#scored(model, texts, terms);
      return { answers: answers.map((scores, i) => readingOf(scores, cuts[i]!, lookups[i]!)), receipt };
    });
  }

  async #scored(model: EncodingModel, texts: readonly string[], terms: ReadTerms): Promise<Reply<LabelScores>> {
    const { embeddings, receipt } = await model.embed(texts, terms);
    const answers = embeddings.map((v) => ({ scores: this.labels.map((label) => cosine(v, label)), known: true }));
    return { answers, receipt: withCost(receipt, this.#cost.of(texts.length)) };
  }
}

/** The text to read: only the categories, or the text and the categories after it. */
function cutLookup({ encoder }: EncodingModel, { text, categories }: Lookup, { mode, maxTokens }: QZeroOptions): Cut {
  const parts = mode === "append" ? [text, ...categories] : categories;
  return cutToTokens(parts, Math.min(maxTokens, encoder.room(1)), (it) => encoder.tokensOf(it));
}

/** An encoder's score is not a sum of parts: the explanation lists only the categories that were read. */
function readingOf(scores: LabelScores, { whole, read, parts }: Cut, { categories }: Lookup): Reading {
  const before = parts.whole - categories.length;
  const count = Math.max(0, parts.read - before);
  const counted = () => [...countsOf(categories.slice(0, count))].map(([name, times]) => ({ name, count: times }));
  return {
    ...scores,
    categories: count,
    weight: 1,
    tokens: { given: whole, read },
    explain: () => ({ categories: counted(), keywords: [] }),
  };
}
