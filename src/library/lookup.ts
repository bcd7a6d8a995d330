import type { Receipt } from "../ledger/receipt.ts";
import { type CategorisedDocument, isExact } from "../pipelines/qzero/documents.ts";
import type { DocumentSource } from "../pipelines/qzero/qzero.ts";
import type { CallTerms } from "../pipelines/qzero/scorer.ts";
import type { SearchResult } from "../retrieval/search.ts";
import { UserError } from "../util/errors.ts";
import type { SearchIndex, SearchOptions } from "./search-index.ts";

/** Searches an index: its own `search`, or a server's. */
type Search = (
  query: string,
  asked: Pick<SearchOptions, "by" | "top">,
  terms: CallTerms,
) => Promise<{ results: readonly SearchResult[]; receipt: Receipt }>;

/** Finds documents in an index. @throws UserError if it is empty, or without categories */
export async function lookupIn(index: SearchIndex, texts: readonly string[], search: Search): Promise<DocumentSource> {
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
      // The text's own article is one document.
      const top = excludeExact ? topK + 1 : topK;
      const { results, receipt } = await search(text, { by: retriever, top }, terms);
      const others = excludeExact ? results.filter((result) => !isExact(text, result)) : results;
      return { documents: others.slice(0, topK).map(briefly), receipt };
    },
  };
}

const briefly = ({ id, title, score, categories }: SearchResult): CategorisedDocument => ({
  ...{ id, title, score, categories },
});

/** Takes the documents that the caller gives for each text. @throws UserError if there are none for a text */
export function lookupGiven(
  texts: readonly string[],
  evidence: readonly (readonly CategorisedDocument[])[],
): DocumentSource {
  if (evidence.length !== texts.length)
    throw new UserError(`evidence is for ${evidence.length} texts, and there are ${texts.length}; expected as many`, 2);
  return {
    searched: false,
    find: async (place, { topK }) => ({ documents: evidence[place]!.slice(0, topK) }),
  };
}
