import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { root } from "./section.ts";

/*
 * A figure is a number with a decimal point, with a unit of measure, in the form `a of b`, or in a table's cell, but
 * not in code, headings or arXiv numbers. It has a source if it is in a generated block (tests of parity write the
 * tables of models.md), or if its paragraph, list item or table links to project data that contains the number, rounded
 * as written.
 */

export interface Unsourced {
  readonly figure: string;
  readonly line: number;
  /** True if the text links to data, but the data does not contain the figure. */
  readonly linked: boolean;
}

const GENERATED = /<!-- (\S+): written by [^>]*-->.*?<!-- \/\1 -->|<!-- parity: [^>]*-->\s*(?:\|[^\n]*\n)+/gs;
const FENCE = /^ *```.*?^ *```/gms;
const LINK = /!?\[([^\]]*)\]\(([^)\s]+)\)/g;

/** Factors that convert a value in the data to the number before the unit. */
const UNITS: readonly (readonly [unit: RegExp, factors: readonly number[]])[] = [
  [/^ ?(%|points?\b)/, [1, 100]],
  [/^ ?(×(?! ?\d)|times\b|nats?\b|tok\/s|tokens a second|steps\/s|FLOPs?\b)/, [1]],
  [/^ ?([µm]s|milliseconds?)\b/, [1, 1e3]],
  [/^ ?(s|seconds?)\b/, [1, 1e-3]],
  [/^ ?[Kk]i?B\b/, [1, 1e-3, 2 ** -10]],
  [/^ ?Mi?B\b/, [1, 1e-6, 2 ** -20]],
  [/^ ?Gi?B\b/, [1, 1e-9, 2 ** -30]],
  [/^ ?MFLOPs?\b/, [1, 1e-6]],
  [/^ ?GFLOPs?\b/, [1, 1e-9]],
];
const NUMBER = /(?<![\w.,]|Node |\w-)[+−-]?\d(?:[\d,]*\d)?(?:\.\d+)?(?:e-?\d+)?(?!\w|[.,]\d)/g;

interface Block {
  readonly kind: "text" | "item" | "table" | "heading";
  readonly line: number;
  text: string;
}

/** Removes all but the line breaks, so that line numbers stay the same. */
const blank = (text: string): string => text.replace(/[^\n]/g, "");

const kindOf = (line: string): Block["kind"] => {
  if (/^ *\|/.test(line)) return "table";
  if (/^#/.test(line)) return "heading";
  return /^ *([-*]|\d+\.) /.test(line) ? "item" : "text";
};

/** The kinds of block that a line continues, by the line's kind; after other kinds, it begins a new block. */
const GOES_ON: Readonly<Record<Block["kind"], readonly Block["kind"][]>> = {
  text: ["text", "item"],
  item: [],
  table: ["table"],
  heading: [],
};

/** Paragraphs, list items, tables and headings, in order. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let last: Block | undefined;
  for (const [i, text] of page.replace(GENERATED, blank).replace(FENCE, blank).split("\n").entries()) {
    const kind = kindOf(text);
    if (text.trim() === "") last = undefined;
    else if (last && GOES_ON[kind].includes(last.kind)) last.text += `\n${text}`;
    else {
      last = { kind, line: i + 1, text };
      blocks.push(last);
    }
  }
  return blocks;
}

interface Figure {
  readonly figure: string;
  readonly line: number;
  readonly value: number;
  /** Half of the last digit's place value. */
  readonly tolerance: number;
  readonly factors: readonly number[];
}

/** The text that a reader sees, without code. */
const shown = (text: string): string =>
  text
    .replace(/`[^`\n]*`/g, "code")
    .replace(/\[[^\]]*\]\(https?:\/\/arxiv\.org[^)]*\)/g, "")
    .replace(LINK, "$1")
    .replace(/https?:\/\/\S+/g, "");

function figuresOf({ kind, line, text }: Block): Figure[] {
  if (kind === "heading") return [];
  // If shares are in per cent, so are their intervals.
  const plain = /%|\bpoints?\b/.test(text) ? [1, 100] : [1];
  return shown(text)
    .split("\n")
    .flatMap((row, i) =>
      [...row.matchAll(NUMBER)].flatMap((match) => {
        const [before, after] = [row.slice(0, match.index), row.slice(match.index + match[0].length)];
        const unit = UNITS.find(([form]) => form.test(after));
        const isFigure =
          unit !== undefined ||
          /\.\d|e-?\d/.test(match[0]) ||
          /^ (of|\/) \d/.test(after) ||
          /\d (of|\/) $/.test(before) ||
          (kind === "table" && /\|.*\|[ *]*$/.test(before));
        return isFigure ? [{ line: line + i, ...parsed(match[0], unit?.[1] ?? plain) }] : [];
      }),
    );
}

function parsed(figure: string, factors: readonly number[]): Omit<Figure, "line"> {
  const [digits, exponent = "0"] = figure
    .replaceAll(",", "")
    .replace(/^[+−-]/, "")
    .split("e") as [string, string?];
  const places = digits.split(".")[1]?.length ?? 0;
  const scale = 10 ** Number(exponent);
  return { figure, value: Number(digits) * scale, tolerance: 0.5 * 10 ** -places * scale, factors };
}

/** Data files at a path: the file itself, or those below a folder. */
function dataAt(path: string): string[] {
  if (!existsSync(path)) return [];
  if (statSync(path).isDirectory()) return readdirSync(path).flatMap((name) => dataAt(join(path, name)));
  return /\.(md|jsonl?|csv|run)$/.test(path) ? [path] : [];
}

const known = new Map<string, readonly number[]>();

/** The numbers in a data file; for a page, those in its generated blocks. */
function numbersIn(path: string): readonly number[] {
  if (!known.has(path)) known.set(path, readNumbers(path));
  return known.get(path)!;
}

function readNumbers(path: string): number[] {
  const text = readFileSync(path, "utf8");
  const data = path.endsWith(".md") ? [...text.matchAll(GENERATED)].map(([block]) => block).join("\n") : text;
  // Commas separate thousands, or values.
  const texts = data.match(/(?<![\w.])\d(?:[\d,]*\d)?(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)/g) ?? [];
  return [...new Set(texts.flatMap((number) => [number.replaceAll(",", ""), ...number.split(",")]))].map(Number);
}

/** The project's files that a block links to; an anchor alone stands for the page itself. */
const linksOf = ({ text }: Block, page: string): string[] =>
  [...text.replace(/`[^`\n]*`/g, "").matchAll(LINK)]
    .map(([, , target]) => target!.split("#")[0] || basename(page))
    .filter((target) => !/^https?:/.test(target))
    .map((target) => join(dirname(page), target));

const has = (path: string, { value, tolerance, factors }: Figure): boolean =>
  numbersIn(path).some((number) =>
    factors.some((factor) => Math.abs(number * factor - value) <= tolerance * (1 + 1e-6)),
  );

/** The figures without a source in the text of a page; `page` is its path in the project. */
export function unsourced(page: string, text: string, from = root): Unsourced[] {
  const blocks = blocksOf(text);
  return blocks.flatMap((block, i) => {
    const beside = block.kind === "table" ? blocks.slice(Math.max(0, i - 1), i + 2) : [block];
    const targets = beside.flatMap((other) => linksOf(other, page));
    const data = [...new Set(targets.flatMap((target) => dataAt(join(from, target))))];
    return figuresOf(block)
      .filter((figure) => !data.some((path) => has(path, figure)))
      .map(({ figure, line }) => ({ figure, line, linked: data.length > 0 }));
  });
}

const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `${folder}/${file}`)
    .sort();

/** The checked pages: README.md, docs and the studies. */
export const documentation = (): string[] => [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...pagesIn("docs"),
  ...pagesIn("research"),
];

/** Each page's number of figures without a source; a page that is not listed has none. */
const COUNTS = join(root, "tools", "unsourced-figures.json");
export const counts = (): Record<string, number> => JSON.parse(readFileSync(COUNTS, "utf8"));

/** Lists the figures without a source, and lowers the counts of pages that have fewer than before. */
function main(): void {
  const before = counts();
  const found = documentation().map((page) => [page, unsourced(page, readFileSync(join(root, page), "utf8"))] as const);
  for (const [page, figures] of found.filter(([page, figures]) => figures.length > (before[page] ?? 0)))
    for (const { figure, line, linked } of figures)
      console.log(`${page}:${line}: ${figure} ${linked ? "is not in the linked data" : "has no link to data"}`);
  const lowered = found.map(([page, { length }]) => [page, Math.min(length, before[page] ?? 0)] as const);
  writeFileSync(COUNTS, `${JSON.stringify(Object.fromEntries(lowered.filter(([, count]) => count > 0)), null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) main();
