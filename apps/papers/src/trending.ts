import type { Day } from "./paper.ts";

/** What a trending score is made of; unknown counts are null. */
export interface Interest {
  readonly listed: Day | null;
  readonly votes: number | null;
  readonly comments: number | null;
  /** Readers of this application that voted, and that read; each counts once. */
  readonly readers: { readonly votes: number; readonly reads: number };
}

/** Days after which a paper needs twice the interest for the same rank. */
export const HALF_LIFE = 7;

const DAY = 86_400_000;

/**
 * The base-2 logarithm of `interest · 2^(-age / 7 days)`, where interest is 1 + votes + comments + reads. The age counts
 * from 1970, so that scores stay comparable from day to day; a paper that no source listed is last.
 */
export function trendingScore({ listed, votes, comments, readers }: Interest): number {
  if (listed === null) return Number.NEGATIVE_INFINITY;
  const interest = 1 + (votes ?? 0) + (comments ?? 0) + readers.votes + readers.reads;
  return Math.log2(interest) + Date.parse(listed) / DAY / HALF_LIFE;
}
