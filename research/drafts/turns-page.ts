import { readFileSync } from "node:fs";
import path from "node:path";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { PAGE } from "./page.ts";

export const TURNS = "draft-turns";

interface Arm {
  readonly kind: string;
  readonly arm: string;
  /** Milliseconds per token. */
  readonly ms: number;
  /** The speed-up over dense: the median over rounds, and its spread. */
  readonly gain: number;
  readonly spread: readonly [least: number, most: number];
  /** Tokens in drafts and in right ones, by token of the answer. */
  readonly drafts: number;
  readonly accepted: number;
}

interface Turns {
  readonly rounds: number;
  readonly questions: number;
  readonly tokens: number;
  readonly machine: string;
  readonly results: readonly Arm[];
}

/** The table of each arm, timed alternately with dense. */
export function turnsSection(): string {
  const file = path.join(import.meta.dirname, "results", "turns", "qwen2.5-coder.json");
  const { rounds, questions, tokens, machine, results } = JSON.parse(readFileSync(file, "utf8")) as Turns;
  const setting = `On ${machine.split(",")[0]}, ${rounds} rounds over ${questions} questions of each kind, ${tokens} tokens each.`;
  const rows = results.map(({ kind, arm, ms, gain, spread, drafts, accepted }) => [
    ...[kind, arm, ms.toFixed(1)],
    `${gain.toFixed(2)} (${spread.map((each) => each.toFixed(2)).join(" to ")})`,
    ...[drafts.toFixed(2), accepted.toFixed(2)],
  ]);
  const columns = ["question", "arm", "ms a token", "times dense's speed", "drafts a token", "right ones"];
  return [setting, markdownTable(columns, rows)].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, TURNS, turnsSection());
