import type { Command } from "commander";
import type { PhasesInput } from "../../index.ts";
import { readValues } from "../../util/values-file.ts";
import { examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import { showRuns } from "../train-runs.ts";
import { tellRuns } from "./train-report.ts";

export function define(command: Command): void {
  command
    .description("train in phases, each from the weights of the previous one")
    .argument("<file>", "a YAML or JSON file: options of all phases, and `phases`, a list with the options of each")
    .requiredOption("--out <folder>", "the folder of all phases; finished phases in it are kept")
    .option("--json", "print one JSON object")
    .action(phases);
  examples(command, "modicum train phases phases.yaml --out runs/phases");
}

async function phases(file: string, { out, json = false }: { out: string; json?: boolean }): Promise<void> {
  const signal = interruptSignal();
  const phases = (await readValues(file, "the phases")) as PhasesInput;
  using progress = showRuns();
  const { trainPhases } = await import("../../lab/training/train.ts");
  const result = await trainPhases(phases, { ...progress, out, signal }).catch(
    sayHowToGoOn(signal, () => "repeat the command to continue"),
  );
  progress[Symbol.dispose]();
  if (json) return printJson(result);
  tellRuns(result);
  print(`${result.samples} samples seen; the last phase is in ${result.last}`);
}
