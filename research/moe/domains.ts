import { readFileSync } from "node:fs";
import { seededRandom } from "../../src/util/random.ts";

/** Texts of clearly different kinds, to show which experts serve which. */
export const DOMAINS = ["sums", "brackets", "code", "prose"] as const;
export type Domain = (typeof DOMAINS)[number];

/** Characters of a row: a token each. */
export const ROW = 128;

type Random = () => number;
const below = (random: Random, n: number): number => Math.floor(n * random());
const of = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)]!;

function sum(random: Random): string {
  const [a, b] = [below(random, 50), below(random, 50)];
  return `${a}+${b}=${a + b};`;
}

/** A balanced word of three kinds of brackets. */
function brackets(random: Random, depth = 0): string {
  const [open, close] = of(
    random,
    ["()", "[]", "{}"].map((pair) => [...pair]),
  ) as [string, string];
  const more = (chance: number) => (depth < 4 && random() < chance ? brackets(random, depth + 1) : "");
  return `${open}${more(0.6)}${close}${more(0.4)}`;
}

const names = ["a", "b", "count", "index", "total", "item", "left", "right"];
const functions = ["read", "next", "push", "find", "size"];

function statement(random: Random): string {
  const [to, from, call] = [of(random, names), of(random, names), of(random, functions)];
  return of(random, [
    `let ${to} = ${call}(${from});\n`,
    `if (${to} > ${below(random, 10)}) return ${to};\n`,
    `for (let ${to} = 0; ${to} < ${from}; ${to}++) ${call}(${to});\n`,
  ]);
}

const makers: Readonly<Record<Exclude<Domain, "prose">, (random: Random) => string>> = {
  sums: sum,
  brackets: (random) => `${brackets(random)} `,
  code: statement,
};

/** Rows of a domain, `ROW` characters each; of prose from a file's text, whose last tenth is for `heldOut` rows alone. */
export function rowsOf(domain: Domain, count: number, seed: number, prose: string, heldOut = false): string[] {
  const random = seededRandom(seed);
  const text = domain === "prose" ? readFileSync(prose, "utf8") : "";
  const row = () => (domain === "prose" ? proseRow(text, random, heldOut) : madeRow(makers[domain], random));
  return Array.from({ length: count }, row);
}

function madeRow(make: (random: Random) => string, random: Random): string {
  let row = "";
  while (row.length < ROW) row += make(random);
  return row.slice(0, ROW);
}

function proseRow(text: string, random: Random, heldOut: boolean): string {
  const border = Math.floor(0.9 * text.length);
  const [from, to] = heldOut ? [border, text.length - ROW] : [0, border - ROW];
  const at = from + below(random, to - from);
  return text.slice(at, at + ROW);
}
