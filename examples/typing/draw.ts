/**
 * Makes a trace of typing a piece of a real file. The keys are the file's; their times are drawn, not measured on a
 * person: log-normal intervals with a median of 0.16 s, 0.4 s before a word and 1.5 s before a line.
 *
 * npx tsx examples/typing/draw.ts FILE FIRST-LINE LAST-LINE > trace.json
 */
import { readFileSync } from "node:fs";
import { seededRandom } from "../../src/util/random.ts";
import type { Key, Trace } from "./trace.ts";

const [file, first, last] = process.argv.slice(2);
if (file === undefined) throw new Error("expected FILE FIRST-LINE LAST-LINE");
const lines = readFileSync(file, "utf8").split("\n");
const [from, to] = [Number(first) - 1, Number(last)];
const part = `${lines.slice(from, to).join("\n")}\n`;

const random = seededRandom(0);
/** The Box–Muller transform. */
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const SPREAD = 0.5;
const interval = (median: number) => Math.round(median * Math.exp(SPREAD * normal()));

function medianBefore(insert: string, last: string): number {
  if (last.startsWith("\n")) return 1500;
  return /\w/.test(insert) && /\W/.test(last) ? 400 : 160;
}

const keys: Key[] = [];
for (const [insert] of part.matchAll(/\n[ \t]*|[^\n]/g)) {
  const before = keys.at(-1);
  const at = before ? before.at + interval(medianBefore(insert, before.insert)) : 0;
  keys.push({ at, insert });
}
const trace: Trace = {
  file: `${file}, lines ${first} to ${last}`,
  about: "The keys are the file's. Their times are drawn by examples/typing/draw.ts, not measured on a person.",
  before: `${lines.slice(0, from).join("\n")}\n`,
  after: lines.slice(to).join("\n"),
  keys,
};
console.log(JSON.stringify(trace).replaceAll("},{", "},\n{"));
