import { chunksOf } from "./chunk.ts";
import { contentHash, type Document } from "./document.ts";
import type { IndexSettings } from "./settings.ts";
import { chunkTerms, type PreparedDocument } from "./store/store.ts";

/** Turns texts into an index's vectors. */
export type Embed = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

/** The text to embed for a chunk: the document's title, then the chunk. */
const embedded = (title: string, text: string): string => (title === "" ? text : `${title}\n${text}`);

/** Cuts documents into chunks, and embeds them if `embed` is given. A document without words has no chunks. */
export async function prepare(
  documents: readonly Document[],
  source: string | null,
  { chunks: options }: IndexSettings,
  embed: Embed | undefined,
): Promise<PreparedDocument[]> {
  const cut = documents.map((document) => ({ document, texts: cutTexts(document, options) }));
  const all = cut.flatMap(({ document: { title }, texts }) => texts.map((text) => embedded(title, text)));
  const vectors = embed && all.length > 0 ? (await embed(all)).map(normalised) : [];
  let next = 0;
  return cut.map(({ document, texts }) => ({
    ...document,
    source,
    hash: contentHash(document),
    chunks: texts.map((text) => ({ text, terms: chunkTerms(document.title, text), vector: vectors[next++] })),
  }));
}

/** A document with only a title is found by the title. */
function cutTexts({ title, text }: Document, options: IndexSettings["chunks"]): string[] {
  const texts = chunksOf(text, options);
  return texts.length === 0 && title.trim() !== "" ? [""] : texts;
}

/** A vector of length 1 in the same direction, so that inner products are cosines; zero stays zero. */
export function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}
