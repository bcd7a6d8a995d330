import { createHash } from "node:crypto";
import type { Item } from "../item.ts";

/** SHA-256 of items, in their order. */
export function hashOf(items: readonly Item[]): string {
  const hash = createHash("sha256");
  for (const item of items) hash.update(`${JSON.stringify(item, short)}\n`);
  return hash.digest("hex");
}

/** Documents are told by their number: a corpus stands in every item that it is searched for. */
const short = (key: string, value: unknown) => (key === "documents" && Array.isArray(value) ? value.length : value);

/** Tells one question from another in a result. */
export const itemHash = (item: Item): string => hashOf([item]).slice(0, 16);
