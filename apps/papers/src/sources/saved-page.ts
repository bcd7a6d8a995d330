import { UserError } from "modicum";
import type { Day, PaperInput } from "../paper.ts";
import { type DateLine, dateLine, dayOf, yearOf } from "./page-dates.ts";
import { Entries, type Parsed, type ParseOptions } from "./source.ts";

/** The longest title in characters; a longer line is an abstract with a missing title. */
const LONGEST_TITLE = 300;

interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** One entry, as it stands in the page's lines. */
interface Entry {
  readonly lines: readonly Line[];
  readonly authors: number;
  /** The line that has the number of authors. */
  readonly end: number;
  /** The date, or the text found in its place. */
  readonly date: DateLine | string;
}

const AUTHORS = /^•\s*(\d+) authors?$/;

/**
 * Reads a page of daily papers that was saved as text. An entry is a title, an abstract of one line, `• N authors`,
 * `·`, and `Mon D[, YYYY][ comments]`. A date before the first title is the day of the page's list. The page has no
 * votes, author names, links or arXiv identifiers, which remain unknown.
 */
export function parseSavedPage(text: string, { year }: ParseOptions = {}): Parsed {
  const lines = linesOf(text);
  const { entries, rest } = cut(lines);
  const [page, first] = withoutHead(entries[0]?.lines ?? []);
  const dates = [...(page ? [page] : []), ...entries.flatMap(({ date }) => (typeof date === "string" ? [] : [date]))];
  const isYearMissing = dates.some((date) => date.year === undefined);
  const usual = isYearMissing ? yearOf(dates, year) : 0;
  const found = new Entries();
  const listed = page ? dayOf(page, usual) : null;
  for (const [i, entry] of entries.entries()) read(found, i === 0 ? { ...entry, lines: first } : entry, listed, usual);
  if (entries.length > 0) unended(found, rest);
  return found;
}

const linesOf = (text: string): Line[] =>
  text
    .split(/\r\n?|\n/)
    .map((line, i) => ({ number: i + 1, text: line.trim() }))
    .filter((line) => line.text !== "");

function cut(lines: readonly Line[]): { entries: Entry[]; rest: readonly Line[] } {
  const entries: Entry[] = [];
  let start = 0;
  for (let i = 0; i < lines.length; i++) {
    const [, authors] = AUTHORS.exec(lines[i]!.text) ?? [];
    if (authors === undefined) continue;
    const { date, next } = dateAfter(lines, i + 1);
    entries.push({ lines: lines.slice(start, i), authors: Number(authors), end: lines[i]!.number, date });
    start = next;
  }
  return { entries, rest: lines.slice(start) };
}

/** The date on the line after `·`, or the text found in its place; `next`: the line at which the next entry begins. */
function dateAfter(lines: readonly Line[], at: number): { date: DateLine | string; next: number } {
  if (lines[at]?.text !== "·") return { date: lines[at]?.text ?? "", next: at };
  const text = lines[at + 1]?.text ?? "";
  return { date: dateLine(text) ?? text, next: at + 2 };
}

/** The date of the page's list, if present, and the first entry's lines without the page text before the entry. */
function withoutHead(lines: readonly Line[]): [page: DateLine | undefined, lines: readonly Line[]] {
  const at = lines.findLastIndex(({ text }) => dateLine(text) !== undefined);
  return at < 0 ? [undefined, lines.slice(-2)] : [dateLine(lines[at]!.text), lines.slice(at + 1)];
}

function read(found: Entries, entry: Entry, listed: Day | null, usual: number): void {
  unended(found, entry.lines.slice(0, -2));
  const lines = entry.lines.slice(-2);
  found.add(`line ${lines[0]?.number ?? entry.end}`, () => inputOf({ ...entry, lines }, listed, usual));
}

function inputOf({ lines: [title, abstract], authors, date }: Entry, listed: Day | null, usual: number): PaperInput {
  if (!title) throw new UserError("there is no title before the number of authors");
  if (title.text.length > LONGEST_TITLE)
    throw new UserError(`expected a title, got a line of ${title.text.length} characters`);
  if (typeof date === "string")
    throw new UserError(`expected "·" and a date such as Dec 17, 2024 after the authors, got "${shown(date)}"`);
  return {
    ...{ title: title.text, abstract: abstract?.text ?? "", authorCount: authors },
    ...{ published: dayOf(date, usual), yearAssumed: date.year === undefined },
    ...{ listed, comments: date.comments },
  };
}

/** Reports lines that belong to no entry because an entry's end is missing. */
function unended(found: Entries, lines: readonly Line[]): void {
  const [first] = lines;
  if (first)
    found.fault(`line ${first.number}`, `"${shown(first.text)}" does not end with a number of authors and a date`);
}

const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
