/** The table of research/preferences/results: `npx tsx research/preferences/page.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import type { Arm } from "./index.ts";

export const PAGE = "research/preferences/README.md";
export const SECTION = "preferences-results";
const RESULT = "research/preferences/results/style.json";

export function preferencesTable(): string {
  const { arms } = JSON.parse(readFileSync(join(root, RESULT), "utf8")) as { arms: Arm[] };
  const keyOf = ({ method, preference }: Arm) => `${method} ${preference}`;
  const groups = [...new Set(arms.map(keyOf))].map((key) => arms.filter((arm) => keyOf(arm) === key));
  const head = ["method", "preferred", "capitals", "KL, nats a character", "margin", "accuracy", "FLOPs"];
  return markdownTable(head, groups.map(rowOf));
}

function rowOf(group: readonly Arm[]): string[] {
  const { method, preference } = group[0]!;
  const over = (of: (arm: Arm) => number | undefined, show: (value: number) => string) => {
    const values = group.flatMap((arm) => of(arm) ?? []);
    return values.length === 0 ? "" : overSeeds(values, show);
  };
  return [
    method === "none" ? "untrained" : `\`${method}\``,
    preference === "none" ? "" : preference,
    over(({ capitals }) => capitals, percent),
    over(({ kl }) => kl, threeDigits),
    over(({ margins }) => margins, threeDigits),
    over(({ accuracies }) => accuracies, threeDigits),
    group[0]!.flops?.toExponential(2) ?? "",
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const threeDigits = (value: number): string => value.toFixed(3).replace("-", "−");

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, preferencesTable());
