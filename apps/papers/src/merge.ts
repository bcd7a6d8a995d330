import type { PaperFields } from "./paper.ts";

type Kept = Omit<PaperFields, "listed">;

const most = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/**
 * Merges another source's fields into a paper: fills unknown fields, unites lists, and keeps the larger of two counts,
 * so that an older file reverts nothing. A day with a stated year replaces one with an assumed year.
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
