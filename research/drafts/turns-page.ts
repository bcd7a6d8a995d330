import { readFileSync } from "node:fs";
import path from "node:path";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { PAGE } from "./page.ts";

export const TURNS = "draft-turns";

interface Arm {
  readonly arm: string;
  /** Milliseconds a token. */
  readonly ms: number;
  /** Times as fast as dense: the median of the rounds, and its spread. */
  readonly gain: number;
  readonly spread: readonly [least: number, most: number];
  /** A token of the answer, in drafts and in right ones. */
  readonly drafts: number;
  readonly accepted: number;
}

interface Turns {
  readonly rounds: number;
  readonly questions: number;
  readonly tokens: number;
  readonly machine: string;
  readonly profile: Readonly<Record<"step" | "draft" | "check1" | "check2", number>>;
  readonly results: readonly { readonly kind: string; readonly arms: readonly Arm[] }[];
}

/** Each arm in turns with dense, behind what a draft and its check take on the same machine. */
export function turnsSection(): string {
  const file = path.join(import.meta.dirname, "results", "turns", "auto.json");
  const { rounds, questions, tokens, machine, profile, results } = JSON.parse(readFileSync(file, "utf8")) as Turns;
  const { step, draft, check1, check2 } = profile;
  const about = `On ${machine.split(",")[0]}, ${rounds} rounds over ${questions} questions of each kind, ${tokens} tokens each. A step takes ${step.toFixed(1)} ms; the draft's pass over two places takes ${draft.toFixed(2)} of a step, a check of one draft ${check1.toFixed(2)}, of two ${check2.toFixed(2)}.`;
  const rows = results.flatMap(({ kind, arms }) =>
    arms.map(({ arm, ms, gain, spread, drafts, accepted }) => [
      ...[kind, arm, ms.toFixed(1)],
      `${gain.toFixed(2)} (${spread.map((each) => each.toFixed(2)).join(" to ")})`,
      ...[drafts.toFixed(2), accepted.toFixed(2)],
    ]),
  );
  const table = markdownTable(
    ["question", "arm", "ms a token", "times dense's speed", "drafts a token", "right ones"],
    rows,
  );
  return [about, table].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, TURNS, turnsSection());
