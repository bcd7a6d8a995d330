import type { Command } from "commander";
import { CACHE_FOLDER, type Check, examine, ORT } from "../checks.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";
import { tunings } from "../tunings.ts";
import { verify } from "../verify.ts";

interface Options {
  json?: boolean;
  verify?: boolean;
  tune?: boolean;
}

export function define(command: Command): void {
  command
    .option("--json", "print one JSON object")
    .option("--verify", "also check the hashes of downloaded models and prepared weights")
    .option("--tune", "time the downloaded models and choose their fastest forms; needs an idle machine")
    .action(doctor);
  examples(command, "modicum doctor", "modicum doctor --verify");
}

async function doctor({ json = false, verify: whole = false, tune = false }: Options): Promise<void> {
  const machine = await examine();
  const has = (needed: string) => machine.some(({ name, ok }) => name === needed && ok);
  const tuned = has(CACHE_FOLDER) && has(ORT) ? await tunings(tune) : [];
  const checks = [...machine, ...tuned, ...(whole ? await verify() : [])];
  const damaged = checks.filter((check) => check.damaged);
  const missing = checks.filter((check) => !check.ok && !check.damaged);
  if (json) printJson({ checks, missing: namesOf(missing), damaged: namesOf(damaged) });
  else print(...columns(checks.map(row)), "", ...summary(missing, damaged));
  // Without pip or a network, only downloads fail, so only needed or damaged requirements set the exit status.
  if (missing.some((check) => check.needed) || damaged.length > 0) process.exitCode = 1;
}

const namesOf = (checks: readonly Check[]): string[] => checks.map(({ name }) => name);

const row = ({ name, ok, found, damaged }: Check): string[] => [
  ok ? "ok" : damaged ? "DAMAGED" : "MISSING",
  name,
  found,
];

function summary(missing: readonly Check[], damaged: readonly Check[]): string[] {
  if (missing.length + damaged.length === 0) return ["nothing is missing"];
  return [
    ...(missing.length > 0 ? [`missing: ${namesOf(missing).join(", ")}`] : []),
    ...(damaged.length > 0 ? [`damaged: ${namesOf(damaged).join(", ")}`] : []),
  ];
}
