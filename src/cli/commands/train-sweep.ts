import type { Command } from "commander";
import { type SweepInput, trainSweep } from "../../index.ts";
import type { SweepEvents } from "../../train/sweep/sweep.ts";
import { readValues } from "../../util/values-file.ts";
import { interruptSignal } from "../interrupt.ts";
import { print } from "../output.ts";
import { showTraining } from "../train-progress.ts";
import { tellRuns } from "./train-report.ts";

export function define(command: Command): void {
  command
    .description("train every combination of a grid of options, one after the other")
    .argument("<grid>", "a YAML or JSON file: a run's options, and grid with lists of values by option")
    .requiredOption("--out <folder>", "the folder of the runs' folders; a sweep that it holds goes on")
    .option("--json", "print one JSON object")
    .action(sweep);
}

async function sweep(grid: string, { out, json = false }: { out: string; json?: boolean }): Promise<void> {
  const signal = interruptSignal();
  const sweep = (await readValues(grid, "the sweep")) as SweepInput;
  using progress = showSweep();
  const result = await trainSweep(sweep, { ...progress, out, signal }).catch((error: unknown) => {
    if (signal.aborted) process.stderr.write("stopped; the same command goes on\n");
    throw error;
  });
  progress[Symbol.dispose]();
  tellRuns(result, json);
  if (!json && result.stopped.length > 0) print(...result.stopped.map(({ out, reason }) => `${out}: ${reason}`));
}

/** A bar for each run. */
function showSweep(): Required<SweepEvents> & Disposable {
  let shown = showTraining();
  return {
    onRun({ name, index, of }) {
      shown[Symbol.dispose]();
      shown = showTraining();
      shown.onNotice?.(`run ${index} of ${of}: ${name}`);
    },
    onStep: (report) => shown.onStep?.(report),
    onNotice: (sentence) => shown.onNotice?.(sentence),
    [Symbol.dispose]: () => shown[Symbol.dispose](),
  };
}
