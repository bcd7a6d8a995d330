import type { Command } from "commander";
import { listTasks, type TaskEntry } from "../../lab/tasks/list.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print a JSON array").action(({ json = false }: { json?: boolean }) => {
    const tasks = listTasks();
    if (json) printJson(tasks);
    else print(...columns([["TASK", "ITEMS", "METRIC", "WHAT", "SOURCE"], ...tasks.map(row)]));
  });
  examples(command, "modicum lab tasks");
}

const row = ({ task, size, metric, summary, source }: TaskEntry): string[] => [
  task,
  size === undefined ? "" : String(size),
  metric,
  summary,
  source,
];
