import type { Command } from "commander";
import { routeRunOptions, runRoutes } from "../../lab/route/run.ts";
import type { Task } from "../../lab/task.ts";
import { findTask } from "../../lab/tasks/registry.ts";
import { version } from "../../util/package-root.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { commandOf } from "../lab-command.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  pair: string[];
  task: string[];
  out: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .requiredOption("--pair <pair>", "two models, SWIFT>SUPER; may be repeated", collect)
    .requiredOption("--task <task>", "a task of choices or short answers, or a FILE.jsonl; may be repeated", collect)
    .requiredOption("--out <folder>", "where answers and results are written; answers there are reused")
    .option("--json", "print one JSON object with the results");
  addFlags(command, routeRunOptions).action(run);
  examples(command, 'modicum lab route --pair "smollm2>gemma3" --task arc-easy --out runs/route');
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const options = readFlags(routeRunOptions, flags);
  const tasks: Task[] = [];
  for (const name of flags.task) {
    using download = showDownload(name);
    tasks.push(await findTask(name, { signal, ...download }));
  }
  const reports = await runRoutes({
    ...{ pairs: flags.pair, tasks, options, out: flags.out, signal },
    ...{ command: commandOf(process.argv.slice(2)), version: version() },
    notice: (sentence) => void process.stderr.write(`${sentence}\n`),
  });
  if (flags.json) return printJson({ reports });
  const rows = reports.flatMap(({ pair, task, ways }) =>
    ways.map(({ way, auroc, above_random }) => [pair, task, way, auroc.mean.toFixed(3), above_random.mean.toFixed(4)]),
  );
  print(...columns([["PAIR", "TASK", "SCORE", "AUROC", "ABOVE RANDOM"], ...rows]));
}
