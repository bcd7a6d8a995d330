import { seededRandom, shuffle } from "../../src/util/random.ts";

/** Labels that a bridge learns, and those that it never sees a region of. */
export interface LabelSplit {
  readonly name: "colours" | "drawings" | "looks";
  readonly base: readonly string[];
  readonly novel: readonly string[];
}

/** A share of a list, drawn by a seed. */
export const part = (all: readonly string[], share: number, seed: number): string[] =>
  shuffle([...all], seededRandom(seed)).slice(0, Math.round(share * all.length));

/** All labels, parted by those that are left out. */
export function splitOf(name: LabelSplit["name"], all: readonly string[], novel: readonly string[]): LabelSplit {
  return { name, novel, base: all.filter((label) => !novel.includes(label)) };
}
