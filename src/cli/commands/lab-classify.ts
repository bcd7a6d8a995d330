import type { Command } from "commander";
import { classifyRunOptions, runClassify } from "../../lab/classify/run.ts";
import { findTask } from "../../lab/tasks/registry.ts";
import { labelPipeline } from "../../pipelines/registry.ts";
import { version } from "../../util/package-root.ts";
import { addFlags, flagsSet, readFlags } from "../flags.ts";
import { examples, STORE } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { commandOf } from "../lab-command.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

const { options: qzeroOptions, labelWordsOfFlags } = await labelPipeline.flags();

interface Flags extends Readonly<Record<string, unknown>> {
  model: string;
  task: string;
  index: string;
  store?: string;
  labelWords?: string[];
  out: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .requiredOption("--model <model>", "an embedding model, or glove")
    .requiredOption("--task <task>", "a task of labels, such as tagmynews:FILE")
    .requiredOption("--index <name>", "the index to search")
    .option("--store <address>", STORE)
    .option("--label-words <words>", "words to read instead of labels: us=America,world=politics|government", (text) =>
      text.split(","),
    )
    .requiredOption("--out <folder>", "where results and report are written")
    .option("--json", "print one JSON object with the report");
  addFlags(addFlags(command, classifyRunOptions), qzeroOptions).action(run);
  examples(command, "modicum lab classify --model glove --task tagmynews:FILE --index n --out run");
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const { model, index, store, out } = flags;
  const [options, qzero] = [readFlags(classifyRunOptions, flags), flagsSet(qzeroOptions, flags)];
  using download = showDownload(flags.task);
  const task = await findTask(flags.task, { signal, ...download });
  const report = await runClassify({
    ...{ model, task, index, store, qzero, options, out, signal },
    words: labelWordsOfFlags(flags.labelWords ?? []),
    resolve: { signal, ...download },
    ...{ command: commandOf(process.argv.slice(2)), version: version() },
    notice: (sentence) => void process.stderr.write(`${sentence}\n`),
  });
  if (flags.json) return printJson(report);
  const rows = report.arms.map(({ arm, accuracy, macro_f1, gain, looked_up, fallback, flops_saved, ms_per_item }) => [
    ...[arm, accuracy.toFixed(3), macro_f1.toFixed(3)],
    `${gain.mean.toFixed(3)} [${gain.ci95.map((x) => x.toFixed(3)).join(", ")}]`,
    ...[looked_up, fallback, flops_saved].map((share) => `${(100 * share).toFixed(1)} %`),
    ms_per_item.toFixed(1),
  ]);
  const head = ["ARM", "ACCURACY", "MACRO F1", "AGAINST PLAIN", "LOOKED UP", "IN VAIN", "FLOPS SAVED", "MS A TEXT"];
  print(...columns([head, ...rows]));
}
