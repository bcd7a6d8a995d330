import { UserError } from "../../util/errors.ts";
import type { EncodingModel, LabelResources, ReadTerms } from "../labelling.ts";
import { LookupPrices } from "./bill.ts";
import { ContextualScorer } from "./contextual.ts";
import { type CategorisedDocument, isExact } from "./documents.ts";
import { type LabelSet, type LabelsInput, parseLabels } from "./labels.ts";
import { type QZeroInput, qzeroText } from "./options.ts";
import { classify, type DocumentSource, type QZeroAnswer } from "./qzero.ts";
import type { BoundLabels, Scorer } from "./scorer.ts";
import { StaticScorer } from "./static.ts";

export interface QZeroRequest {
  readonly labels: LabelsInput;
  readonly qzero: QZeroInput;
  /** The name of the index for lookups. */
  readonly index?: string | undefined;
  /** Documents for each text, used instead of the index. */
  readonly evidence?: readonly (readonly CategorisedDocument[])[] | undefined;
  /** If true, also returns the parts of each decision. */
  readonly explain: boolean;
}

/** Classifies texts with any labels, which are encoded only if they differ from the last call's. */
export class QZeroClassifier {
  readonly #scorer: Scorer;

  constructor(private readonly resources: LabelResources) {
    this.#scorer = new KeptLabels(scorerOf(resources));
  }

  /** @throws UserError for invalid labels, an empty text, or an invalid option */
  async classify(texts: readonly string[], request: QZeroRequest, terms: ReadTerms): Promise<QZeroAnswer> {
    const { labels, qzero, evidence, explain } = request;
    const { name, index, memo } = this.resources;
    const notice = (sentence: string) => memo(`qzero notice ${sentence}`, () => this.resources.notice(sentence));
    return classify(this.#scorer, texts, parseLabels(labels), qzero, {
      ...terms,
      explain,
      onNotice: notice,
      prices: memo(`qzero prices ${name} ${index?.name ?? ""}`, () => new LookupPrices()),
      named: { model: name, recipe: [qzeroText(qzero)] },
      source: evidence ? evidenceSource(texts, evidence) : await indexSource(texts, index),
    });
  }
}

/** Encodes a call's labels only if they differ from the last call's. */
export class KeptLabels implements Scorer {
  #latest: { readonly key: string; readonly bound: BoundLabels["bound"] } | undefined;

  constructor(private readonly scorer: Scorer) {}

  get kind() {
    return this.scorer.kind;
  }

  async bind(labels: LabelSet, terms: ReadTerms): Promise<BoundLabels> {
    const key = JSON.stringify(labels);
    if (this.#latest?.key === key) return { bound: this.#latest.bound };
    const read = await this.scorer.bind(labels, terms);
    this.#latest = { key, bound: read.bound };
    return read;
  }
}

function scorerOf({ name, reader, memo }: LabelResources): Scorer {
  if (reader.kind === "words")
    return memo(`qzero words ${name}`, () => new StaticScorer(name, reader.vectors, reader.ms));
  return new ContextualScorer((work) =>
    reader.use((model) => {
      requireEmbeddings(name, model);
      return work(model);
    }),
  );
}

/** @throws UserError for a model that does not embed */
export function requireEmbeddings(name: string, { encoder }: Pick<EncodingModel, "encoder">): void {
  if (encoder.classifier) throw new UserError(`${name} is a classifier; expected an embedding model`, 2, "model");
}

/** Finds documents in an index. @throws UserError if it is empty, or without categories */
async function indexSource(texts: readonly string[], index: LabelResources["index"]): Promise<DocumentSource> {
  if (!index) throw new UserError("there is no index to search; expected an index, or evidence", 2);
  const { documents } = await index.counts();
  if (documents === 0) throw new UserError(`the index ${index.name} is empty; add documents with categories to it`, 2);
  if (!(await index.hasCategories()))
    throw new UserError(
      `no document of the index ${index.name} has categories, which qzero reads; add documents with categories to it`,
      2,
    );
  return {
    searched: true,
    async find(place, { topK, retriever, excludeExact }, terms) {
      const text = texts[place]!;
      // The text's own article counts as one document.
      const top = excludeExact ? topK + 1 : topK;
      const { results, receipt } = await index.search(text, { ...terms, by: retriever, top });
      const others = excludeExact ? results.filter((result) => !isExact(text, result)) : results;
      const briefly = others
        .slice(0, topK)
        .map(({ id, title, score, categories }) => ({ id, title, score, categories }));
      return { documents: briefly, receipt };
    },
  };
}

/** Returns the caller's documents for each text. @throws UserError if a text has none */
function evidenceSource(texts: readonly string[], evidence: NonNullable<QZeroRequest["evidence"]>): DocumentSource {
  if (evidence.length !== texts.length)
    throw new UserError(`evidence: expected one entry per text, ${texts.length}, got ${evidence.length}`, 2);
  return {
    searched: false,
    find: async (place, { topK }) => ({ documents: evidence[place]!.slice(0, topK) }),
  };
}
