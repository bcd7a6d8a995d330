import type { ClassifyPipeline } from "modicum";
import type { Paper, TopicScore } from "./paper.ts";
import type { Store } from "./store.ts";

/** Without an index to look texts up in, each is decided by itself: no margin between labels is below 0. */
const PLAIN = { when: "margin", margin: 0 } as const;

/** Papers that are classified in one call. */
const BATCH = 32;

/**
 * Gives papers that wait for it the user's label that is closest in meaning, and keeps the receipts; each paper's text
 * decides its own topic alone.
 */
export async function classifyPending(store: Store, classifier: ClassifyPipeline, signal?: AbortSignal): Promise<void> {
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

async function classify(
  store: Store,
  classifier: ClassifyPipeline,
  papers: readonly Paper[],
  labels: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const texts = papers.map(({ title, abstract }) => `${title}\n${abstract}`);
  const { results, receipt } = await classifier.classify(texts, labels, {
    ...(classifier.index === undefined && { evidence: texts.map(() => []), qzero: PLAIN }),
    ...(signal && { signal }),
  });
  const best = ({ label, scores }: (typeof results)[number]): TopicScore[] =>
    label === null ? [] : [{ label, score: scores[label]! }];
  await store.topics.put(new Map(papers.map(({ id }, i) => [id, best(results[i]!)])));
  await store.receipts.add("topics", receipt);
}
