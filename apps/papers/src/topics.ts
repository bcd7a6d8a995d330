import { type ClassifyPipeline, type Receipt, sumReceipts } from "modicum";
import type { Paper, TopicScore } from "./paper.ts";
import { reference } from "./reference.ts";
import type { Store } from "./store.ts";

/** Options that need no index: no text is looked up, since no margin between labels is below 0. */
const PLAIN = { when: "margin", margin: 0 } as const;

/** Papers per classification call. */
const BATCH = 32;

/**
 * The minimum score of a label that fits a paper, in standard deviations above the label's mean over the reference
 * collection. `topics-check.ts` chose it on that collection alone.
 */
export const FITS = 2;

/** A label's cosines over the reference collection. */
interface Norm {
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Finds the label that fits a text. Some labels are close to any paper, so a label's cosine is compared with its
 * cosines over a fixed reference collection, by the same encoder. A text's topic does not depend on other texts.
 */
export class TopicClassifier implements AsyncDisposable {
  /** The norms for each set of labels, in the labels' order. */
  readonly #norms = new Map<string, readonly Norm[]>();

  constructor(private readonly pipeline: Pick<ClassifyPipeline, "classify" | "index" | typeof Symbol.asyncDispose>) {}

  /** The label that fits each text best; undefined for a text that no label fits. */
  async classify(
    texts: readonly string[],
    labels: readonly string[],
    signal?: AbortSignal,
  ): Promise<{ topics: (TopicScore | undefined)[]; receipt: Receipt }> {
    const { norms, receipts } = await this.#normsOf(labels, signal);
    const { scores, receipt } = await this.#scores(texts, labels, signal);
    return { topics: scores.map((each) => bestOf(labels, each, norms)), receipt: sumReceipts([...receipts, receipt]) };
  }

  /** The labels' norms, and the receipt for measuring them if they are new. */
  async #normsOf(labels: readonly string[], signal: AbortSignal | undefined) {
    const key = JSON.stringify(labels);
    const known = this.#norms.get(key);
    if (known) return { norms: known, receipts: [] };
    const { scores, receipt } = await this.#scores(Object.values(reference).flat(), labels, signal);
    const norms = labels.map((_, i) => normOf(scores.map((each) => each[i]!)));
    this.#norms.set(key, norms);
    return { norms, receipts: [receipt] };
  }

  /** The cosines of each text, in the labels' order. */
  async #scores(texts: readonly string[], labels: readonly string[], signal: AbortSignal | undefined) {
    const { results, receipt } = await this.pipeline.classify(texts, labels, {
      ...(this.pipeline.index === undefined && { evidence: texts.map(() => []), qzero: PLAIN }),
      ...(signal && { signal }),
    });
    return { scores: results.map(({ scores }) => labels.map((label) => scores[label]!)), receipt };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.pipeline[Symbol.asyncDispose]();
  }
}

export function normOf(scores: readonly number[]): Norm {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
  return { mean, deviation: Math.sqrt(variance) };
}

/** Cosines in standard deviations from their means. */
export const standardised = (scores: readonly number[], norms: readonly Norm[]): number[] =>
  scores.map((score, i) => (score - norms[i]!.mean) / norms[i]!.deviation);

function bestOf(labels: readonly string[], scores: readonly number[], norms: readonly Norm[]): TopicScore | undefined {
  const all = standardised(scores, norms).map((score, i) => ({ label: labels[i]!, score }));
  return all.filter(({ score }) => score >= FITS).sort((a, b) => b.score - a.score)[0];
}

/** Assigns waiting papers the user's label that fits them, and stores the receipts. */
export async function classifyPending(store: Store, classifier: TopicClassifier, signal?: AbortSignal): Promise<void> {
  const labels = await store.topics.labels();
  if (labels.length === 0) return;
  for (;;) {
    const ids = await store.papers.pending("topics", BATCH);
    if (ids.length === 0) return;
    const papers = await store.papers.many(ids);
    if (papers.length > 0) await classify(store, classifier, papers, labels, signal);
    await store.papers.done("topics", ids);
  }
}

/** The text for classifying a paper. */
export const topicText = ({ title, abstract }: Pick<Paper, "title" | "abstract">): string => `${title}\n${abstract}`;

async function classify(
  store: Store,
  classifier: TopicClassifier,
  papers: readonly Paper[],
  labels: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { topics, receipt } = await classifier.classify(papers.map(topicText), labels, signal);
  await store.topics.put(new Map(papers.map(({ id }, i) => [id, topics[i]])));
  await store.receipts.add("topics", receipt);
}
