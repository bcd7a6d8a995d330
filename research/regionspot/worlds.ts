import { drawings } from "../../src/lab/data/scenes/drawings.ts";
import { tints } from "../../src/lab/data/scenes/options.ts";
import type { BridgeArmName } from "./bridge-arms.ts";
import { SHAPES_SIDE } from "./shapes/scene.ts";
import { labelOf, looks } from "./shapes/words.ts";
import { type LabelSplit, part, splitOf } from "./splits.ts";

/** Scenes in which RegionSpot is measured. */
export interface GateWorld {
  /** Pixels of a scene's side. */
  readonly side: number;
  readonly labels: readonly string[];
  /** Ways to leave labels out; controls use the first. */
  readonly splits: readonly [LabelSplit, ...LabelSplit[]];
  /**
   * Kinds of bridges that are compared. Comparing boxes with the localiser's tokens is most informative where objects
   * hide one another.
   */
  readonly arms: readonly BridgeArmName[];
  /** Folder of the results. */
  readonly results: string;
}

export const worldNames = ["drawings", "shapes"] as const;
export type WorldName = (typeof worldNames)[number];

const NAMES = drawings.slice(0, 40).map(([name]) => name);
const COLOURS = ["", ...Object.keys(tints)];
const DIGITS = Array.from({ length: 10 }, (_, digit) => String(digit));

const inColours = (name: string): string[] => COLOURS.map((colour) => (colour === "" ? name : `${colour} ${name}`));
const drawn = NAMES.flatMap(inColours);
const drawnOrWritten = [...drawn, ...DIGITS];
const shapeLabels = looks.map(labelOf);

export const worlds: Readonly<Record<WorldName, GateWorld>> = {
  /**
   * 40 drawings as they are and in four colours, and digits. Left out are three of ten pairs of a drawing and a colour,
   * each part of which is learned in other pairs; or three of ten whole drawings and digits, of which no region is learned.
   */
  drawings: {
    side: 96,
    labels: drawnOrWritten,
    splits: [
      splitOf("colours", drawnOrWritten, part(drawn, 0.3, 1)),
      splitOf("drawings", drawnOrWritten, [...part(NAMES, 0.3, 2).flatMap(inColours), ...part(DIGITS, 0.3, 3)]),
    ],
    arms: ["own", "paper"],
    results: "research/regionspot/results",
  },
  /** Shapes of 192 looks, of which three of ten are left out. */
  shapes: {
    side: SHAPES_SIDE,
    labels: shapeLabels,
    splits: [splitOf("looks", shapeLabels, part(shapeLabels, 0.3, 1))],
    arms: ["own", "last", "paper", "boxes"],
    results: "research/regionspot/results/shapes",
  },
};

/** The world of a name that a user gave. */
export function worldOf(name: string): GateWorld {
  const known = worldNames.find((one) => one === name);
  if (known === undefined) throw new Error(`the world is ${name}, expected one of ${worldNames.join(", ")}`);
  return worlds[known];
}
