import type { Day } from "./paper.ts";

const DAY = 86_400_000;

/** The number of a day, counted from 1970. */
export const dayNumber = (day: Day): number => Date.parse(day) / DAY;

/** The number of the newest day on which a source listed the paper `p`, as SQL; null if none did. */
export const NEWEST = "(SELECT max(l.number) FROM listings l WHERE l.paper = p.id)";

/** The number of votes and reads by this page's readers. */
const MARKS = "(SELECT count(*) FROM marks m WHERE m.paper = p.id AND m.kind <> 'save')";

/**
 * The base-2 logarithm of `interest · 2^(-age / 7 days)`, where interest is 1 + votes + comments + marks: after a week,
 * a paper needs twice the interest for the same rank. The age counts from 1970, so that scores stay comparable from day
 * to day. Lookups by paper read only the papers of the list; grouping would read all rows.
 */
export const TRENDING = `ln(1 + coalesce(p.votes, 0) + coalesce(p.comments, 0) + ${MARKS}) / ln(2) + ${NEWEST} / 7.0`;
