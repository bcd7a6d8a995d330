import type { Command } from "commander";
import { compareRuns } from "../../lab/report/compare.ts";
import { comparisonRows } from "../../lab/report/tables.ts";
import { readRun } from "../../lab/run/held.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .argument("<A>", "a run's folder")
    .argument("<B>", "the folder of another run of the same task")
    .option("--json", "print one JSON object")
    .action(compare);
  examples(command, "modicum lab compare runs/one runs/two");
}

async function compare(a: string, b: string, { json = false }: { json?: boolean }): Promise<void> {
  const comparisons = compareRuns(await readRun(a), await readRun(b));
  if (json) return printJson(comparisons);
  print(...columns(comparisonRows(comparisons)));
  const others = Math.max(0, ...comparisons.recipes.map(({ other_items }) => other_items));
  if (others > 0)
    print(`${others} items have different questions under the same ids, so not all differences are due to the models`);
  for (const [name, only] of [
    [a, comparisons.only_a],
    [b, comparisons.only_b],
  ] as const)
    if (only.length > 0) print(`only in ${name}: ${only.join("; ")}`);
}
