import * as library from "@huggingface/tokenizers";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";

/** A pattern in a tokenizer.json: a text, or a regular expression in Oniguruma's dialect. */
export const patternSchema = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })]);
export type Pattern = z.output<typeof patternSchema>;

/** Unicode's white space, which differs from JavaScript's `\s`. */
export const SPACE = String.raw`\p{White_Space}`;

/** The part of the library that is used; its own declarations do not resolve in an ES module. */
const { SplitPreTokenizer } = library as unknown as {
  SplitPreTokenizer: new (options: { pattern: Pattern; invert: boolean }) => { pattern: RegExp };
};

/** The library translates the pattern and handles the dialects' differences: `\s`, `\d`, `(?i:`, `$`. */
export function compile(pattern: Pattern): RegExp {
  try {
    return new SplitPreTokenizer({ pattern, invert: true }).pattern;
  } catch {
    throw new UserError(`the pattern ${JSON.stringify(Object.values(pattern)[0])} is not a regular expression`);
  }
}

export const behaviourSchema = z.enum(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]);
/** The treatment of matches when a text is split. */
export type Behaviour = z.output<typeof behaviourSchema>;

interface Range {
  start: number;
  end: number;
  match: boolean;
}

/** Splits `text` at the matches of `pattern`, or between them if `invert`; omits empty parts. */
export function cut(text: string, pattern: RegExp, behaviour: Behaviour, invert = false): string[] {
  if (behaviour === "Isolated") return isolated(text, pattern);
  const ranges = rangesOf(text, pattern).map((range) => ({ ...range, match: range.match !== invert }));
  const parts = join(ranges, behaviour).filter(({ start, end }) => end > start);
  return parts.map(({ start, end }) => text.slice(start, end));
}

/** Returns the matches, and the parts between them, as separate pieces: the usual behaviour. */
function isolated(text: string, pattern: RegExp): string[] {
  const parts: string[] = [];
  let at = 0;
  pattern.lastIndex = 0;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const end = found.index + found[0].length;
    if (found.index > at) parts.push(text.slice(at, found.index));
    if (end > found.index) parts.push(found[0]);
    else pattern.lastIndex += text.codePointAt(end)! > 0xffff ? 2 : 1;
    at = end;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

function rangesOf(text: string, pattern: RegExp): Range[] {
  const ranges: Range[] = [];
  let at = 0;
  for (const { index, 0: found } of text.matchAll(pattern)) {
    if (index > at) ranges.push({ start: at, end: index, match: false });
    at = index + found.length;
    if (found !== "") ranges.push({ start: index, end: at, match: true });
  }
  if (at < text.length) ranges.push({ start: at, end: text.length, match: false });
  return ranges;
}

function join(ranges: Range[], behaviour: Exclude<Behaviour, "Isolated">): Range[] {
  switch (behaviour) {
    case "Removed":
      return ranges.filter((range) => !range.match);
    case "Contiguous":
      return fold(ranges, (range, last) => range.match === last.match);
    case "MergedWithPrevious":
      return fold(ranges, (range, last) => range.match && !last.match);
    case "MergedWithNext":
      return fold(ranges, (range, last) => last.match && !range.match);
  }
}

/** Joins a range to the previous one if `joins` returns true; a joined range is represented by its last part. */
function fold(ranges: Range[], joins: (range: Range, last: Range) => boolean): Range[] {
  const folded: Range[] = [];
  let last: Range | undefined;
  for (const range of ranges) {
    if (last !== undefined && joins(range, last)) folded.at(-1)!.end = range.end;
    else folded.push({ ...range });
    last = range;
  }
  return folded;
}
