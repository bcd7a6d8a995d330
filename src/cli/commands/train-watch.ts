import { once } from "node:events";
import type { Command } from "commander";
import { z } from "zod";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print } from "../output.ts";
import { stopSignal } from "../stop-signal.ts";

const options = z.strictObject({
  port: z.int().min(0).max(65535).default(8092).describe("the page's port; 0: a free one"),
});

export function define(command: Command): void {
  command
    .description("show a run's loss, rate, gradient norm, speed and time left on a page that updates itself")
    .argument("<folder>", "the run's folder");
  addFlags(command, options).action(watch);
  examples(command, "modicum train watch runs/one");
}

async function watch(folder: string, flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { port } = readFlags(options, flags);
  const signal = stopSignal();
  const { watchRun } = await import("../../train/report/watch.ts");
  print(`${folder}: ${await watchRun(folder, port, signal)}`);
  await once(signal, "abort");
  signal.throwIfAborted();
}
