import type { PaperFields } from "./paper.ts";

type Kept = Omit<PaperFields, "listed">;

const most = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/**
 * Merges another source's fields into a paper: unknown fields are filled, lists united, and of two counts the larger
 * one stays, so that an older file takes nothing back. A day with an assumed year gives way to one with a stated year.
 */
export function merged(paper: Kept, other: Kept): Kept {
  const dated = paper.published === null || (paper.yearAssumed && other.published !== null && !other.yearAssumed);
  const { published, yearAssumed } = dated ? other : paper;
  const authors = paper.authors ?? other.authors;
  return {
    arxiv: paper.arxiv ?? other.arxiv,
    title: paper.title,
    abstract: paper.abstract || other.abstract,
    authors,
    authorCount: authors?.length ?? paper.authorCount ?? other.authorCount,
    ...{ published, yearAssumed },
    votes: most(paper.votes, other.votes),
    comments: most(paper.comments, other.comments),
    links: union(paper.links, other.links),
    categories: union(paper.categories, other.categories),
  };
}
