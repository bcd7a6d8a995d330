import type { Command } from "commander";
import { type Check, examine } from "../checks.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print one JSON object").action(doctor);
}

async function doctor({ json = false }: { json?: boolean }): Promise<void> {
  const checks = await examine();
  const missing = checks.filter((check) => !check.ok);
  if (json) printJson({ checks, missing: missing.map(({ name }) => name) });
  else print(...columns(checks.map(row)), "", summary(missing));
  // A missing pip or network hinders downloads alone; without these nothing runs.
  if (missing.some((check) => check.needed)) process.exitCode = 1;
}

const row = ({ name, ok, found }: Check): string[] => [ok ? "ok" : "MISSING", name, found];

function summary(missing: readonly Check[]): string {
  if (missing.length === 0) return "nothing is missing";
  return `missing: ${missing.map(({ name }) => name).join(", ")}`;
}
