import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { words } from "./words.ts";

/** Passages of a list. */
export const PASSAGES = 10;
/** Words of a query, and of a passage. */
const [ASKED, LENGTH] = [4, 6];

/** A query, and passages graded by how many of its words they contain. */
export interface GradedList {
  readonly query: string;
  readonly documents: readonly string[];
  readonly grades: readonly number[];
}

/** Lists in random order. */
export function gradedLists(seed: number, count: number): GradedList[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const drawn = shuffle([...words], random);
    const [queries, others] = [drawn.slice(0, ASKED), drawn.slice(ASKED)];
    const passage = (grade: number): string => {
      const own = shuffle([...queries], random).slice(0, grade);
      const more = shuffle([...others], random).slice(0, LENGTH - grade);
      return shuffle([...own, ...more], random).join(" ");
    };
    const grades = Array.from({ length: PASSAGES }, () => Math.floor(random() * (ASKED + 1)));
    return { query: queries.join(" "), documents: grades.map(passage), grades };
  });
}

/** Places by grade, the best first; equal ones keep their order. */
export const rankingOf = ({ grades }: GradedList): number[] =>
  [...grades.keys()].toSorted((a, b) => grades[b]! - grades[a]!);
