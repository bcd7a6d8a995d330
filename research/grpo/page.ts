/** The table of research/grpo/results: `npx tsx research/grpo/page.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import type { Arm } from "./index.ts";

export const PAGE = "research/grpo/README.md";
export const SECTION = "grpo-results";
const RESULT = "research/grpo/results/letter.json";

export function grpoTable(): string {
  const { arms } = JSON.parse(readFileSync(join(root, RESULT), "utf8")) as { arms: Arm[] };
  const groups = [...new Set(arms.map(({ arm }) => arm))].map((name) => arms.filter(({ arm }) => arm === name));
  const head = ["arm", "correct", "distinct", "reward, first ten steps", "last ten steps", "FLOPs", "sampling's time"];
  return markdownTable(head, groups.map(rowOf));
}

function rowOf(group: readonly Arm[]): string[] {
  const over = (of: (arm: Arm) => number | undefined) => {
    const values = group.flatMap((arm) => of(arm) ?? []);
    return values.length === 0 ? "" : overSeeds(values, percent);
  };
  return [
    group[0]!.arm,
    over(({ correct }) => correct),
    percent(mean(group.map(({ distinct }) => distinct))),
    over(({ rewards }) => rewards?.[0]),
    over(({ rewards }) => rewards?.[1]),
    group[0]!.flops?.toExponential(2) ?? "",
    over(({ ms }) => ms?.["sampling"] && ms["sampling"] / ms["total"]!),
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.replace("-", "−");

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, grpoTable());
