import type { Command } from "commander";
import { removeModel } from "../../weights/sources/index.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print } from "../output.ts";

export function define(command: Command): void {
  command.argument("<model>", "name of a downloaded model").action(rm);
  examples(command, "modicum rm smollm2");
}

async function rm(name: string): Promise<void> {
  await removeModel(name, { signal: interruptSignal() });
  print(`removed ${name}`);
}
