import { createHash } from "node:crypto";
import { sha256Of } from "../../util/hash.ts";
import type { Item } from "../item.ts";

/** SHA-256 of items, in order. */
export function hashOf(items: readonly Item[]): string {
  const hash = createHash("sha256");
  for (const item of items) hash.update(`${JSON.stringify(item, short)}\n`);
  return hash.digest("hex");
}

/** Documents are replaced by their hash, computed once: a corpus occurs in every item that searches it. */
const short = (key: string, value: unknown) =>
  key === "documents" && Array.isArray(value) ? (hashes.get(value) ?? documentsHash(value)) : value;

const hashes = new WeakMap<object, string>();

function documentsHash(documents: readonly unknown[]): string {
  const hash = sha256Of(JSON.stringify(documents));
  hashes.set(documents, hash);
  return hash;
}

/** Identifies a question in a result. */
export const itemHash = (item: Item): string => hashOf([item]).slice(0, 16);
