import { type Receipt, sumReceipts } from "modicum";
import type { Content } from "../store/outbox.ts";
import type { Subscription } from "../store/subscriptions.ts";
import type { Store } from "../store.ts";
import { firstDay } from "./period.ts";

/**
 * A subscriber's due digest: papers listed on the newest day, or in the seven days up to it, that match the wish and
 * became known after the last digest; undefined without new papers.
 */
export async function digestFor(store: Store, { address, wish }: Subscription): Promise<Content | undefined> {
  const [newest] = await store.papers.days(1);
  if (!newest) return undefined;
  const [last] = await store.outbox.to(address, "digest");
  const filter = { from: firstDay(wish.frequency, newest.day), after: last?.at };
  const ids = await wanted(store, wish, await store.papers.ids(filter));
  if (ids.length === 0) return undefined;
  return { kind: "digest", papers: ids, receipt: await receiptSince(store, last?.at ?? 0) };
}

async function wanted(store: Store, { topics, tags, reader, most }: Subscription["wish"], ids: readonly string[]) {
  const tagged = tags.length === 0 || reader === null ? undefined : await store.readers.tags(reader);
  const papers = await store.papers.many(ids);
  return papers
    .filter((paper) => topics.length === 0 || paper.topics.some(({ label }) => topics.includes(label)))
    .filter(({ id }) => tagged === undefined || tags.some((tag) => tagged.get(id)?.has(tag)))
    .slice(0, most)
    .map(({ id }) => id);
}

async function receiptSince(store: Store, time: number): Promise<Receipt | null> {
  const work = (await store.receipts.since(time)).filter(({ task }) => task !== "search" && task !== "rerank");
  return work.length === 0 ? null : sumReceipts(work.map(({ receipt }) => receipt));
}
