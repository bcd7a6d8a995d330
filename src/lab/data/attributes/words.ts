/** The attribute world's words: each is one token that consists only of letters. */

const list = (text: string): readonly string[] => text.split(" ");

export const colours = list("red green blue yellow white black");
export const shapes = list("star ring cross square");
export const digits = list("zero one two three four five six seven eight nine");
const letters = list("a b c d e f g h i j k l");

/** Names of the largest grid's rows and columns, used in answers. Each row of a picture also begins with its name. */
export const rowWords = letters.map((letter) => `row${letter}`);
export const columnWords = letters.map((letter) => `col${letter}`);

/** Variants of a blank cell's word, chosen at random. */
export const looks = list("a b");

export const blankCell = (colour: string, look: string): string => `${colour}blank${look}`;

/** The word for an object, in its cell and in questions. */
export const objectWord = (colour: string, shape: string): string => `${colour}${shape}`;

/** The first word of a picture. */
export const IMAGE = "image";

/** Every word, in a fixed order. */
export const allWords: readonly string[] = [
  ...[IMAGE, "where", "ground", "any", "read", "yes", "no"],
  ...colours.flatMap((colour) => shapes.map((shape) => objectWord(colour, shape))),
  ...[...colours, ...shapes, ...digits, ...rowWords, ...columnWords],
  ...looks.flatMap((look) => colours.map((colour) => blankCell(colour, look))),
];
