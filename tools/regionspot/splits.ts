import { drawings } from "../../src/lab/data/scenes/drawings.ts";
import { tints } from "../../src/lab/data/scenes/options.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

/** Labels that a bridge learns, and those that it never sees a region of. */
export interface LabelSplit {
  readonly name: "colours" | "drawings";
  readonly base: readonly string[];
  readonly novel: readonly string[];
}

const NAMES = drawings.slice(0, 40).map(([name]) => name);
const COLOURS = ["", ...Object.keys(tints)];
const DIGITS = Array.from({ length: 10 }, (_, digit) => String(digit));

const labelled = (name: string, colour: string): string => (colour === "" ? name : `${colour} ${name}`);
const drawn = NAMES.flatMap((name) => COLOURS.map((colour) => labelled(name, colour)));

/** All labels of the scenes: 40 drawings as they are and in four colours, and the digits. */
export const allLabels = [...drawn, ...DIGITS];

const part = (all: readonly string[], share: number, seed: number): string[] =>
  shuffle([...all], seededRandom(seed)).slice(0, Math.round(share * all.length));

/**
 * The two ways to leave labels out: pairs of a drawing and a colour (three of ten), each of which is learned in other
 * pairs; and whole drawings (three of ten) and digits, of which no region is ever learned.
 */
export const splits: readonly LabelSplit[] = [
  splitOf("colours", part(drawn, 0.3, 1)),
  splitOf("drawings", [
    ...part(NAMES, 0.3, 2).flatMap((name) => COLOURS.map((c) => labelled(name, c))),
    ...part(DIGITS, 0.3, 3),
  ]),
];

function splitOf(name: LabelSplit["name"], novel: readonly string[]): LabelSplit {
  return { name, novel, base: allLabels.filter((label) => !novel.includes(label)) };
}
