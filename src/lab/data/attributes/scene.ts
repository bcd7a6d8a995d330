import { seededRandom, shuffle } from "../../../util/random.ts";
import * as words from "./words.ts";

/** The number of digits in the strip. */
const STRIP = 3;
/** The number of shapes that one picture uses: half of all shapes, so a random shape is often absent. */
const SHAPES = words.shapes.length / 2;
/** Share of blank cells that always have the ground's colour; the others have random colours. */
const GROUND = 0.6;

/** The number of objects in a picture, all different. */
const objectsIn = (side: number): number => (side < 9 ? 6 : 10);

export const questionKinds = ["where", "ground", "any", "read"] as const;
type QuestionKind = (typeof questionKinds)[number];

/** A question, and its answer: one word per token. */
export interface Question {
  readonly kind: QuestionKind;
  readonly words: readonly string[];
  readonly answer: readonly string[];
  /** The answer's row, counted from 0; absent if several rows have the answer. */
  readonly row?: number;
}

/** A picture of side × side cells and all its questions. */
export interface Scene {
  readonly side: number;
  /** Words, row by row: each row's word, then a word per cell; side × (side + 1) words in all. */
  readonly cells: readonly string[];
  readonly questions: readonly Question[];
}

/**
 * Makes a random picture, and its questions: `where` for every object, `any` for every shape, and one each about the
 * strip and the ground.
 */
export function makeScene(side: number, random: () => number): Scene {
  const below = (n: number) => Math.floor(random() * n);
  const of = (all: readonly string[]) => all[below(all.length)]!;
  const ground = of(words.colours);
  const cells = Array.from({ length: side * side }, () =>
    words.blankCell(random() < GROUND ? ground : of(words.colours), of(words.looks)),
  );
  const strip = { row: below(side), column: below(side - STRIP + 1) };
  const read = Array.from({ length: STRIP }, () => of(words.digits));
  const at = strip.row * side + strip.column;
  for (const [i, digit] of read.entries()) cells[at + i] = digit;
  const here = shuffle([...words.shapes], random).slice(0, SHAPES);
  const pairs = here.flatMap((shape) => words.colours.map((colour) => ({ shape, colour })));
  const objects = shuffle(pairs, random).slice(0, objectsIn(side));
  const free = shuffle(
    Array.from(cells.keys()).filter((i) => i < at || i >= at + STRIP),
    random,
  );
  const where = objects.map(({ colour, shape }, i): Question => {
    const [row, column] = [Math.floor(free[i]! / side), free[i]! % side];
    cells[free[i]!] = words.objectWord(colour, shape);
    const answer = [words.rowWords[row]!, words.columnWords[column]!];
    return { kind: "where", words: ["where", words.objectWord(colour, shape)], answer, row };
  });
  const seen = new Set(objects.map(({ shape }) => shape));
  const any = words.shapes.map(
    (shape): Question => ({ kind: "any", words: ["any", shape], answer: [seen.has(shape) ? "yes" : "no"] }),
  );
  return {
    side,
    cells: Array.from({ length: side }, (_, row) => [
      words.rowWords[row]!,
      ...cells.slice(row * side, (row + 1) * side),
    ]).flat(),
    questions: [
      ...where,
      ...any,
      { kind: "ground", words: ["ground"], answer: [ground] },
      { kind: "read", words: ["read"], answer: read, row: strip.row },
    ],
  };
}

/** Makes `count` pictures of one size from a seed. */
export function makeScenes(side: number, count: number, seed: number): Scene[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => makeScene(side, random));
}

/** Words as a text with one token per word. */
export const textOf = (some: readonly string[]): string => some.map((word) => ` ${word}`).join("");
