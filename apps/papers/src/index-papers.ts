import { createIndex, type IndexOptions, listIndexes, openIndex, type SearchIndex } from "modicum";
import type { Paper } from "./paper.ts";
import type { PendingTask } from "./store/papers.ts";
import type { Store } from "./store.ts";

/** Papers to index before progress is recorded. */
const BATCH = 256;

export interface IndexTerms extends IndexOptions {
  /** An embedding MODEL, or `none`. */
  readonly embedding: string;
}

type IndexName = PendingTask & `papers${string}`;

const nameFor = (embedding: string): IndexName => (embedding === "none" ? "papers-words" : "papers");

/** Opens the index of the papers, and creates it if it is missing. @throws UserError */
export async function openPapersIndex(store: Store, { embedding, ...options }: IndexTerms): Promise<SearchIndex> {
  const name = nameFor(embedding);
  if ((await listIndexes({ store: options.store })).includes(name)) return openIndex(name, options);
  await store.papers.renew(name);
  return createIndex(name, { embedding, ...options });
}

/** Updates the index to the current papers, even if an earlier call was killed, and stores the embedding receipts. */
export async function indexPending(store: Store, index: SearchIndex, signal?: AbortSignal): Promise<void> {
  const name = index.name as IndexName;
  for (;;) {
    const ids = await store.papers.pending(name, BATCH);
    if (ids.length === 0) return;
    const papers = await store.papers.many(ids);
    const there = new Set(papers.map(({ id }) => id));
    await index.remove(ids.filter((id) => !there.has(id)));
    const { receipt } = await index.add(papers.map(documentOf), signal && { signal });
    if (receipt.flops.spent > 0) await store.receipts.add("index", receipt);
    await store.papers.done(name, ids);
  }
}

/** A paper's searchable document: title and abstract only, so that votes do not change it. */
const documentOf = ({ id, title, abstract }: Paper) => ({ id, title, text: abstract });
