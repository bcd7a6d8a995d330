import { seededRandom } from "../../../src/util/random.ts";

/** A text, and its parts that follow from what is before them: from one character up to another. */
export interface Text {
  readonly kind: Kind;
  readonly text: string;
  readonly answers: readonly (readonly [from: number, to: number])[];
}

/** Kinds of texts, with their shares. */
const SHARES = {
  /** Memorised sentences: only the subject and the verb vary. */
  sentences: 0.12,
  /** Pairs of keys and values that recur. */
  recall: 0.2,
  /** Sums of two or three small digits. */
  sums: 0.2,
  /** Facts of a synthetic world, which no text states beforehand. */
  facts: 0.2,
  /** A word's first letter, or a memorised letter, as the text's first character says. */
  cued: 0.14,
  /** The same, with the cue in each question: difficulty does not follow from earlier text. */
  signed: 0.14,
} as const;
export type Kind = keyof typeof SHARES;
export const KINDS = Object.keys(SHARES) as readonly Kind[];

/** Characters of a text, at most. */
const LONGEST = 190;

/** The seed of the world's facts, which all texts share. */
const WORLD = 77;

/** A question and, if it follows from the text so far, its answer. */
type Item = readonly [question: string, answer?: string];

/** Random draws. */
class Draw {
  constructor(readonly random: () => number) {}
  below = (n: number): number => Math.floor(n * this.random());
  of = <T>(all: readonly T[]): T => all[this.below(all.length)]!;
  digits = (n: number, below = 10): number[] => Array.from({ length: n }, () => this.below(below));
}

const list = (text: string): readonly string[] => text.split(",");
const people = list(
  "the miller,a sailor,the doctor,a farmer,the teacher,a hunter,the baker,a weaver,the judge,a mason",
);
const verbs = list("walks slowly to,looks back at,writes often about,pays well for,dreams of");
const places = list("the old harbour,the northern gate,the quiet market,the stone bridge,the winter garden,the tower");
const syllables = list("ba,do,fi,ka,lu,mo,ne,ri,so,tu,va,ze");
const attributes = list("capital,river,metal");
const letters = [..."abcdefghijklmnopqrstuvwxyz"];

/** Sentences by who and what they do; the place follows from both. */
const sentences: readonly Item[] = people.flatMap((who, i) =>
  verbs.map((does, j): Item => [`${who} ${does}`, ` ${places[(i + 2 * j) % places.length]}. `]),
);

/** The facts of 80 names of two or three syllables, with a value for each attribute. */
export const facts: readonly Item[] = makeFacts();

function makeFacts(): Item[] {
  const draw = new Draw(seededRandom(WORLD));
  const word = (n: number) => Array.from({ length: n }, () => draw.of(syllables)).join("");
  const names = new Set<string>();
  while (names.size < 80) names.add(word(2 + draw.below(2)));
  const values = attributes.map(() => Array.from({ length: 24 }, () => word(2)));
  return [...names].flatMap((name) =>
    attributes.map((attribute, i): Item => [`${attribute} of ${name}? `, `${draw.of(values[i]!)}. `]),
  );
}

const sumOf = (terms: readonly number[]): number => terms.reduce((sum, v) => sum + v, 0);

/** Words, each with its letter. */
const words: readonly (readonly [word: string, letter: string])[] = makeWords();

function makeWords(): (readonly [string, string])[] {
  const draw = new Draw(seededRandom(WORLD + 1));
  const texts = new Set<string>();
  while (texts.size < 60) texts.add(`${draw.of(syllables)}${draw.of(syllables)}`);
  return [...texts].map((word) => [word, draw.of(letters)] as const);
}

/** Makes a text's first item, and its further items. */
const makers: Readonly<Record<Kind, (draw: Draw) => { readonly first?: string; next(): Item }>> = {
  sentences: (draw) => ({ next: () => draw.of(sentences) }),
  recall(draw) {
    const pairs = Array.from({ length: 4 + draw.below(8) }, () => `${draw.of(letters)}${draw.below(10)} `);
    let at = 0;
    return { first: pairs.join(""), next: () => ["", pairs[at++ % pairs.length]!] };
  },
  sums: (draw) => ({
    next() {
      const terms = draw.random() < 0.5 ? draw.digits(2, 5) : draw.digits(3, 4);
      return [`${terms.join("+")}=`, `${sumOf(terms)} `];
    },
  }),
  facts: (draw) => ({ next: () => draw.of(facts) }),
  cued(draw) {
    const hard = draw.random() < 0.5;
    return {
      first: hard ? "> " : "< ",
      next() {
        const [word, letter] = draw.of(words);
        return [`${word}:`, `${hard ? letter : word[0]} `];
      },
    };
  },
  signed: (draw) => ({
    next() {
      const [hard, [word, letter]] = [draw.random() < 0.5, draw.of(words)];
      return [`${word}${hard ? ">" : "<"}`, `${hard ? letter : word[0]} `];
    },
  }),
};

function makeText(kind: Kind, draw: Draw): Text {
  const { first = "", next } = makers[kind](draw);
  let text = first;
  const answers: [number, number][] = [];
  for (;;) {
    const [question, answer = ""] = next();
    const from = text.length + question.length;
    if (from + answer.length > LONGEST)
      return { kind, text: text.trimEnd(), answers: answers.map(inside(text.trimEnd())) };
    text += question + answer;
    answers.push([from, from + answer.trimEnd().length]);
  }
}

/** An answer's place in a text whose end was cut. */
const inside =
  ({ length }: string) =>
  ([from, to]: readonly [number, number]): readonly [number, number] => [from, Math.min(to, length)];

/** Texts of all kinds by their shares, or of one; the same for the same seed. */
export function makeTexts(seed: number, count: number, only?: Kind): Text[] {
  const draw = new Draw(seededRandom(seed));
  // Each kind appears in proportion to its share.
  const deck = KINDS.flatMap((kind) => new Array<Kind>(Math.round(100 * SHARES[kind])).fill(kind));
  return Array.from({ length: count }, () => makeText(only ?? draw.of(deck), draw));
}
