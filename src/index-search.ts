/** The module `modicum/search`: search indexes. */

export {
  type CreateIndexOptions,
  createIndex,
  deleteIndex,
  type IndexOptions,
  listIndexes,
  openIndex,
} from "./library/open-index.ts";
export { type AddOptions, SearchIndex, type SearchOptions } from "./library/search-index.ts";
export type { AdditionCounts } from "./retrieval/add.ts";
export type { Document, DocumentInput } from "./retrieval/document.ts";
export type { Ranker, SearchResult } from "./retrieval/search.ts";
