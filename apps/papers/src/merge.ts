import type { PaperFields } from "./paper.ts";

type Kept = Omit<PaperFields, "listed">;

const most = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/**
 * Merges another source's fields into a paper: unknown fields are filled, lists united, and of two counts the larger
 * one stays, so that an older file takes nothing back. A day with an assumed year gives way to one with a stated year.
 */
export function merged(kept: Kept, other: Kept): Kept {
  const dated = kept.published === null || (kept.yearAssumed && other.published !== null && !other.yearAssumed);
  const { published, yearAssumed } = dated ? other : kept;
  const authors = kept.authors ?? other.authors;
  return {
    arxiv: kept.arxiv ?? other.arxiv,
    title: kept.title,
    abstract: kept.abstract || other.abstract,
    authors,
    authorCount: authors?.length ?? kept.authorCount ?? other.authorCount,
    ...{ published, yearAssumed },
    votes: most(kept.votes, other.votes),
    comments: most(kept.comments, other.comments),
    links: union(kept.links, other.links),
    categories: union(kept.categories, other.categories),
  };
}
