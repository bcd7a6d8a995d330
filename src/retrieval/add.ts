import { few, UserError } from "../util/errors.ts";
import { contentHash, type Document } from "./document.ts";
import { patiently } from "./patiently.ts";
import { type Embed, prepare } from "./prepare.ts";
import type { Store } from "./store/store.ts";

/** The numbers of documents that an addition added, replaced, left unchanged or removed. */
export interface AdditionCounts {
  /** The number of new documents. */
  readonly added: number;
  /** The number of documents with a known id and new contents. */
  readonly replaced: number;
  /** The number of documents that were already stored; they are not embedded again. */
  readonly unchanged: number;
  /** The number of documents that the file no longer contains. */
  readonly removed: number;
  /** The number of new and replaced documents that no search finds, because they have no words. */
  readonly empty: number;
}

export const NOTHING_ADDED: AdditionCounts = { added: 0, replaced: 0, unchanged: 0, removed: 0, empty: 0 };

export const sumOf = (a: AdditionCounts, b: AdditionCounts): AdditionCounts => ({
  added: a.added + b.added,
  replaced: a.replaced + b.replaced,
  unchanged: a.unchanged + b.unchanged,
  removed: a.removed + b.removed,
  empty: a.empty + b.empty,
});

/** A transaction ends at this number of documents, or as soon as their texts reach this number of characters. */
interface BatchSize {
  readonly documents: number;
  readonly characters: number;
}
/** The batch size with embeddings, which take far longer to compute than to write. */
const EMBEDDED: BatchSize = { documents: 256, characters: 100_000 };
/** The batch size without embeddings. Each batch rewrites its terms' postings, so batches must be large. */
const BARE: BatchSize = { documents: 8192, characters: 8_000_000 };

type Documents = AsyncIterable<Document> | Iterable<Document>;

/**
 * Adds the documents of one file (`source`: its full path; null: no file) in batches, one transaction each. Calling it
 * again resumes an interrupted addition. Documents that the file no longer contains are removed at the end. `onBatch`
 * gets each batch's changes.
 * @throws UserError for an id that occurs twice
 */
export async function addAll(
  store: Store,
  source: string | null,
  documents: Documents,
  embed: Embed | undefined,
  onBatch: (changes: AdditionCounts) => void,
): Promise<AdditionCounts> {
  const seen = new Set<string>();
  let sum = NOTHING_ADDED;
  for await (const batch of batched(once(documents, source, seen), embed ? EMBEDDED : BARE)) {
    const changes = await addBatch(store, source, batch, embed);
    sum = sumOf(sum, changes);
    onBatch(changes);
  }
  return { ...sum, removed: source === null ? 0 : await removeOthers(store, source, seen) };
}

async function* once(documents: Documents, source: string | null, seen: Set<string>): AsyncGenerator<Document> {
  const where = source === null ? "" : `${source}: `;
  for await (const document of documents) {
    if (seen.has(document.id))
      throw new UserError(`${where}two documents have the id ${few([document.id])}; expected unique ids`);
    seen.add(document.id);
    yield document;
  }
}

async function* batched(documents: AsyncIterable<Document>, most: BatchSize): AsyncGenerator<Document[]> {
  let [batch, characters]: [Document[], number] = [[], 0];
  for await (const document of documents) {
    batch.push(document);
    characters += document.text.length;
    if (batch.length < most.documents && characters < most.characters) continue;
    yield batch;
    [batch, characters] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

async function addBatch(
  store: Store,
  source: string | null,
  batch: readonly Document[],
  embed: Embed | undefined,
): Promise<AdditionCounts> {
  const stored = await patiently(() => store.kept(batch.map(({ id }) => id)));
  const isChanged = (document: Document) => stored.get(document.id)?.hash !== contentHash(document);
  const changed = batch.filter(isChanged);
  const prepared = await prepare(changed, source, store.settings, embed);
  if (prepared.length > 0) await patiently(() => store.put(prepared));
  // An unchanged document may now come from a different file.
  const moved = batch.map(({ id }) => id).filter((id) => stored.has(id) && stored.get(id)!.source !== source);
  if (moved.length > 0) await patiently(() => store.move(moved, source));
  const replaced = changed.filter(({ id }) => stored.has(id)).length;
  return {
    added: changed.length - replaced,
    replaced,
    unchanged: batch.length - changed.length,
    removed: 0,
    empty: prepared.filter(({ chunks }) => chunks.length === 0).length,
  };
}

async function removeOthers(store: Store, source: string, seen: ReadonlySet<string>): Promise<number> {
  const stale = (await patiently(() => store.idsFrom(source))).filter((id) => !seen.has(id));
  if (stale.length === 0) return 0;
  await patiently(() => store.remove(stale));
  return stale.length;
}
