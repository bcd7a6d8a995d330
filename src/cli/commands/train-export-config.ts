import { statSync } from "node:fs";
import { type Command, Option } from "commander";
import type { TrainInput } from "../../index.ts";
import { optionsOf } from "../../train/session/folder.ts";
import { readValues } from "../../util/values-file.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .description("write a run for another trainer: tokenised rows in order, settings and train.py")
    .argument("<run>", "a YAML or JSON file of options, or a run's folder")
    .addOption(
      new Option("--to <trainer>", "trl: transformers, PEFT and accelerate").choices(["trl"]).makeOptionMandatory(),
    )
    .requiredOption("--out <folder>", "a new or empty folder")
    .option("--json", "print one JSON object")
    .action(write);
  examples(command, "modicum train export-config run.yaml --to trl --out trl");
}

async function write(run: string, { out, json }: { out: string; json?: boolean }): Promise<void> {
  const signal = interruptSignal();
  const isFolder = statSync(run, { throwIfNoEntry: false })?.isDirectory();
  const options = isFolder ? optionsOf(run) : ((await readValues(run, "the run")) as TrainInput);
  const { exportTraining } = await import("../../library/train.ts");
  const written = await exportTraining(options, { out, signal });
  if (json) return printJson(written);
  print(
    `${written.files.join(", ")}: ${written.rows} rows`,
    ...written.notices,
    `accelerate launch ${out}/train.py trains it`,
  );
}
