/** The words of the attribute world: each is one token, in letters alone. */

const list = (text: string): readonly string[] => text.split(" ");

export const colours = list("red green blue yellow white black");
export const shapes = list("star ring cross square moon arrow");
export const digits = list("zero one two three four five six seven eight nine");
const letters = list("a b c d e f g h i j k l");

/** The largest grid's rows and columns, as answers name them. */
export const rowWords = letters.map((letter) => `row${letter}`);
export const columnWords = letters.map((letter) => `col${letter}`);

/** Tokens that look alike: a cell is one of them by chance. */
export const looks = list("a b");

/** An object as questions name it. */
export const objectWord = (colour: string, shape: string): string => `${colour}${shape}`;

export const blankCell = (colour: string, look: string): string => `${colour}blank${look}`;
export const objectCell = (colour: string, shape: string, look: string): string => `${colour}${shape}${look}`;
export const digitCell = (digit: string, look: string): string => `${digit}digit${look}`;

/** Begins a picture. */
export const IMAGE = "image";
/** Begin the rows of a picture, each its own. */
export const markWords = letters.map((letter) => `mark${letter}`);

/** Every word, in an order that stays. */
export const allWords: readonly string[] = [
  ...[IMAGE, "where", "ground", "any", "read", "yes", "no"],
  ...colours.flatMap((colour) => shapes.map((shape) => objectWord(colour, shape))),
  ...[...colours, ...shapes, ...digits, ...markWords, ...rowWords, ...columnWords],
  ...looks.flatMap((look) => [
    ...colours.map((colour) => blankCell(colour, look)),
    ...colours.flatMap((colour) => shapes.map((shape) => objectCell(colour, shape, look))),
    ...digits.map((digit) => digitCell(digit, look)),
  ]),
];
