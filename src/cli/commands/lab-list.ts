import { existsSync } from "node:fs";
import type { Command } from "commander";
import { runRows } from "../../lab/report/tables.ts";
import { findRuns } from "../../lab/run/held.ts";
import { UserError } from "../../util/errors.ts";
import { warn } from "../errors.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .argument("[folder]", "where to look for runs, three folders deep", ".")
    .option("--json", "print a JSON array")
    .action(list);
  examples(command, "modicum lab list runs");
}

async function list(folder: string, { json = false }: { json?: boolean }): Promise<void> {
  if (!existsSync(folder)) throw new UserError(`there is no folder ${folder}`);
  const runs = await findRuns(folder);
  if (json)
    return printJson(
      runs.map(({ folder, summary, fault }) => ({ folder, ...summary, ...(fault && { error: fault }) })),
    );
  for (const { fault } of runs) if (fault) warn(fault);
  if (runs.length === 0) process.stderr.write(`no lab runs in ${folder}\n`);
  else print(...columns(runRows(runs)));
}
