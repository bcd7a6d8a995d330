import type { Child } from "hono/jsx";
import type { Paper } from "../src/paper.ts";
import { Card } from "./card.tsx";
import { FeedFilters } from "./filters.tsx";
import { address, count } from "./format.ts";
import type { Marks } from "./marks.ts";

/** A list's earlier and later pages, if there are any. */
export interface Links {
  readonly before?: { readonly href: string; readonly label: string } | undefined;
  readonly after?: { readonly href: string; readonly label: string } | undefined;
}

interface ListProps {
  readonly papers: readonly Paper[];
  readonly marks: Marks;
  readonly links: Links;
}

export const List = ({ papers, marks, links: { before, after } }: ListProps) => (
  <>
    <div class="feed">
      {papers.map((paper) => (
        <Card paper={paper} marks={marks} />
      ))}
    </div>
    {(before || after) && (
      <nav class="pages" aria-label="More papers">
        <span>{before && <a href={before.href}>← {before.label}</a>}</span>
        <span>{after && <a href={after.href}>{after.label} →</a>}</span>
      </nav>
    )}
  </>
);

interface FeedPageProps extends ListProps, Omit<Parameters<typeof FeedFilters>[0], "own"> {
  readonly heading: string;
  readonly total: number;
  /** The error in the tag filter. */
  readonly fault: string | undefined;
}

const ORDER_OF_A_DAY = "most votes, comments and reads first";
const ORDER = "by votes, comments and reads, halved each week";

/** The papers of a period. */
export const FeedPage = ({ heading, total, fault, papers, marks, links, ...filters }: FeedPageProps) => (
  <>
    <div class="top">
      <h1>{heading}</h1>
      <p class="quiet">
        {count(total, "paper")}
        {filters.topic && ` on ${filters.topic}`}
        {total > 1 && `, ${filters.period === "day" ? ORDER_OF_A_DAY : ORDER}`}
      </p>
      <FeedFilters {...filters} own={marks.tags} />
    </div>
    {fault && (
      <p class="fault" role="alert">
        {fault}
      </p>
    )}
    {total === 0 && !fault && <Nothing {...filters} />}
    <List papers={papers} marks={marks} links={links} />
  </>
);

const Nothing = ({
  topic,
  tags,
}: {
  readonly period: string;
  topic?: string | undefined;
  tags?: string | undefined;
}) =>
  topic || tags ? (
    <p class="empty">
      No paper here passes the filter. <a href={address("/", { period: "all", topic, tags })}>Look in all papers</a>.
    </p>
  ) : (
    <Empty>There are no papers yet. Import some: modicum papers import FILE</Empty>
  );

export const Empty = ({ children }: { readonly children?: Child }) => <p class="empty">{children}</p>;
