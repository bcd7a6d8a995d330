import type { Day } from "./paper.ts";

const DAY = 86_400_000;

/** The number of a day, counted from 1970. */
export const dayNumber = (day: Day): number => Date.parse(day) / DAY;

/**
 * The base-2 logarithm of `interest · 2^(-age / 7 days)`, in SQL, where interest is 1 + votes + comments + marks: after a
 * week, a paper needs twice the interest for the same rank. The age counts from 1970, so that scores stay comparable from
 * day to day. `p` is the paper; `m.marks` its readers' votes and reads; `l.number` the newest day of being listed.
 */
export const TRENDING =
  "ln(1 + coalesce(p.votes, 0) + coalesce(p.comments, 0) + coalesce(m.marks, 0)) / ln(2) + l.number / 7.0";
