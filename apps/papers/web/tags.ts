/** Filters by tags: `sparse and not (moe or "vision language")`. */
import { UserError } from "modicum";

/** True if a filter accepts a paper with these tags. */
export type TagFilter = (tags: ReadonlySet<string>) => boolean;

const MOST = 400;
const MOST_DEPTH = 20;

/** A tag as stored and compared: lower case, single spaces. */
export const tagName = (text: string): string => text.trim().toLowerCase().replace(/\s+/g, " ");

/**
 * Parses a filter. `not` binds before `and`, `and` before `or`; adjacent words are joined by `and`; a tag of several
 * words, or one called `and`, stands in quotes.
 * @throws UserError that says what is wrong, and at which word
 */
export function parseTags(text: string): TagFilter {
  if (text.length > MOST) throw new UserError(`a tag filter has at most ${MOST} characters, got ${text.length}`, 2);
  const words = new Words(wordsOf(text));
  const filter = either(words, 0);
  if (words.next !== undefined) throw wrong(`"${words.next.text}" where a filter could end`);
  return filter;
}

interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

class Words {
  #at = 0;
  constructor(private readonly all: readonly Word[]) {}

  get next(): Word | undefined {
    return this.all[this.#at];
  }

  /** Skips the next word if it is this operator. */
  take(operator: string): boolean {
    const { next } = this;
    if (!next || next.quoted || next.text.toLowerCase() !== operator) return false;
    this.#at++;
    return true;
  }

  tag(): string {
    const { next } = this;
    if (!next) throw wrong("the end where a tag is expected");
    if (!next.quoted && /^(and|or|[()])$/i.test(next.text)) throw wrong(`"${next.text}" where a tag is expected`);
    this.#at++;
    return tagName(next.text);
  }
}

const wrong = (got: string): UserError =>
  new UserError(`the tag filter has ${got}; expected something like: sparse and not (moe or "vision language")`, 2);

function wordsOf(text: string): Word[] {
  if ((text.match(/"/g) ?? []).length % 2 === 1) throw wrong("a quote that is not closed");
  return [...text.matchAll(/"([^"]*)"|[()]|[^\s()"]+/g)].map(([word, quoted]) => ({
    text: quoted ?? word,
    quoted: quoted !== undefined,
  }));
}

function either(words: Words, depth: number): TagFilter {
  const parts = [both(words, depth)];
  while (words.take("or")) parts.push(both(words, depth));
  return (tags) => parts.some((part) => part(tags));
}

function both(words: Words, depth: number): TagFilter {
  const parts = [single(words, depth)];
  while (words.take("and") || begins(words.next)) parts.push(single(words, depth));
  return (tags) => parts.every((part) => part(tags));
}

const begins = (word: Word | undefined): boolean =>
  word !== undefined && (word.quoted || !/^(or|\))$/i.test(word.text));

function single(words: Words, depth: number): TagFilter {
  if (depth > MOST_DEPTH) throw wrong(`more than ${MOST_DEPTH} levels`);
  if (words.take("not")) {
    const inner = single(words, depth + 1);
    return (tags) => !inner(tags);
  }
  if (words.take("(")) {
    const inner = either(words, depth + 1);
    if (!words.take(")")) throw wrong("a parenthesis that is not closed");
    return inner;
  }
  const tag = words.tag();
  return (tags) => tags.has(tag);
}
