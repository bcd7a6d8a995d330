import type { Command } from "commander";
import type { Policy } from "../../lab/lookup/policies.ts";
import { lookupRunOptions, runLookup } from "../../lab/lookup/run.ts";
import { duration, figure, flopsText, percent, range, signed } from "../../lab/report/format.ts";
import { findTask } from "../../lab/tasks/registry.ts";
import { lookupPipeline } from "../../pipelines/registry.ts";
import { version } from "../../util/package-root.ts";
import { addFlags, flagsSet, readFlags } from "../flags.ts";
import { examples, MODEL, STORE } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { commandOf } from "../lab-command.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  model: string;
  task: string;
  index: string;
  store?: string;
  out: string;
  json?: boolean;
}

/** Both branches run and every gate is judged, so no gate is chosen in advance. */
const reading = (await lookupPipeline.options()).pick({ passages: true, maxContextTokens: true, by: true });

export function define(command: Command): void {
  command
    .requiredOption("--model <model>", MODEL)
    .requiredOption("--task <task>", "a task of questions, such as triviaqa, or a FILE.jsonl of {prompt, answer}")
    .requiredOption("--index <name>", "the index to search")
    .option("--store <address>", STORE)
    .requiredOption("--out <folder>", "where results and report are written; a stopped run continues")
    .option("--json", "print one JSON object with the report");
  addFlags(addFlags(command, lookupRunOptions), reading).action(run);
  examples(command, "modicum lab answer --model smollm2 --task triviaqa --index books --out run");
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const { model, index, store, out } = flags;
  using download = showDownload(flags.task);
  const task = await findTask(flags.task, { signal, ...download });
  const report = await runLookup({
    ...{ model, task, index, store, out, signal },
    ...{ options: readFlags(lookupRunOptions, flags), answer: flagsSet(reading, flags) },
    resolve: { signal, ...download },
    ...{ command: commandOf(process.argv.slice(2)), version: version() },
    notice: (sentence) => void process.stderr.write(`${sentence}\n`),
  });
  if (flags.json) return printJson(report);
  // Formats an area under a curve; NaN if no question needs retrieval.
  const area = (mean: number) => (Number.isFinite(mean) ? figure(mean) : "none");
  const areas = new Map(report.gates.map(({ gate, auroc }) => [gate, area(auroc.mean)]));
  const rows = [...report.policies, ...report.gates.map(({ half }) => half)].map((policy) => [
    ...[policy.policy, areas.get(policy.policy) ?? ""],
    ...costs(policy),
  ]);
  print(...columns([["GATE", "AUROC", "LOOKED UP", "RIGHT", "AGAINST ALWAYS", "FLOPS", "TIME"], ...rows]));
}

const costs = ({ rate, accuracy, delta, flops, ms }: Policy): string[] => [
  ...[percent(rate), figure(accuracy), `${signed(delta.mean)} ${range(delta.ci95, signed)}`],
  ...[flopsText(flops), duration(ms)],
];
