import type { Receipt } from "modicum";
import type { Paper } from "../src/paper.ts";
import { Card } from "./card.tsx";
import { SearchFilters } from "./filters.tsx";
import { address, count, flops, milliseconds } from "./format.ts";
import type { Marks } from "./marks.ts";

export interface Results {
  readonly papers: readonly Paper[];
  /** The receipts for finding the results, in order. */
  readonly receipts: readonly Receipt[];
  /** Sentences about features that are off. */
  readonly without: readonly string[];
  /** The reason why a part of the search failed; undefined if nothing failed. */
  readonly missing: string | undefined;
}

interface SearchPageProps extends Omit<Parameters<typeof SearchFilters>[0], "topics"> {
  readonly topics: readonly string[];
  /** Undefined before the first search. */
  readonly results: Results | undefined;
  readonly reranked: boolean;
  /** False without a reranker. */
  readonly canRerank: boolean;
  readonly marks: Marks;
}

/** The papers that match a query, by words and by meaning; a model can read and order them on request. */
export const SearchPage = ({ results, reranked, canRerank, marks, ...filters }: SearchPageProps) => (
  <>
    <h1>Search</h1>
    <SearchFilters {...filters} />
    <div id="results">
      {results === undefined ? (
        <p class="empty">Type what you are looking for: words, or a sentence that says what a paper should be about.</p>
      ) : (
        <Found results={results} reranked={reranked} canRerank={canRerank} marks={marks} filters={filters} />
      )}
    </div>
  </>
);

interface FoundProps extends Omit<SearchPageProps, "results" | keyof Parameters<typeof SearchFilters>[0]> {
  readonly results: Results;
  readonly filters: Parameters<typeof SearchFilters>[0];
}

const Found = ({ results, reranked, canRerank, marks, filters }: FoundProps) => {
  const { query: q, topic, from, to } = filters;
  return (
    <>
      <p class="quiet" role="status">
        {count(results.papers.length, "paper")} for “{q}”
        {!reranked && results.papers.length > 1 && ", the closest first"}.{" "}
        {canRerank && !reranked && results.papers.length > 1 && (
          <a href={address("/search", { q, topic, from, to, rerank: "1" })} rel="nofollow">
            Let a model read the first ten and order them
          </a>
        )}
        {reranked && <a href={address("/search", { q, topic, from, to })}>In the order of the search alone</a>}
      </p>
      {results.missing && (
        <p class="fault" role="status">
          {results.missing}
        </p>
      )}
      <div class="feed">
        {results.papers.map((paper) => (
          <Card paper={paper} marks={marks} />
        ))}
      </div>
      {results.papers.length === 0 && <p class="empty">No paper fits. Fewer or other words may find one.</p>}
      <p class="quiet">{[...results.receipts.map(spentText), ...results.without].join(" ")}</p>
    </>
  );
};

const spentText = ({ model, flops: { spent }, ms }: Receipt): string =>
  `${model} spent ${flops(spent)} in ${milliseconds(ms.total)}.`;
