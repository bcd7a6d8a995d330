import type { Command } from "commander";
import type { SweepInput, SweepResult } from "../../index.ts";
import { readValues } from "../../util/values-file.ts";
import { examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { print } from "../output.ts";
import { showRuns } from "../train-runs.ts";
import { tellRuns } from "./train-report.ts";

export function define(command: Command): void {
  command
    .description("train every combination of a grid of options; a screen stops weak runs early")
    .argument("<grid>", "a YAML or JSON file: a run's options, and grid, which lists the values of each option")
    .requiredOption("--out <folder>", "the folder of all runs; a sweep in it continues")
    .option("--queue <url>", "redis://host:port: let `lab worker` processes train, on machines that share the folder")
    .option("--json", "print one JSON object")
    .action(sweep);
  examples(command, "modicum train sweep grid.yaml --out runs/sweep");
}

interface Flags {
  readonly out: string;
  readonly queue?: string;
  readonly json?: boolean;
}

async function sweep(grid: string, { out, queue, json = false }: Flags): Promise<void> {
  const signal = interruptSignal();
  const sweep = (await readValues(grid, "the sweep")) as SweepInput;
  using progress = showRuns();
  const { trainSweep } = await import("../../lab/training/train.ts");
  const result = await trainSweep(sweep, { ...progress, out, queue, signal }).catch(
    sayHowToGoOn(signal, () => "repeat the command to continue"),
  );
  progress[Symbol.dispose]();
  tellRuns(result, json);
  if (!json) tellScreen(result);
}

function tellScreen({ stopped, screen }: SweepResult): void {
  if (stopped.length > 0) print(...stopped.map(({ out, reason }) => `${out}: ${reason}`));
  if (screen) print(`${(100 * screen.cost.flops).toFixed(1)} % of the FLOPs of running all to the end`);
}
