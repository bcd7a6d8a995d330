import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { compile } from "./child.ts";
import type { Bench, Side } from "./harness.ts";
import { PEER, US } from "./sides.ts";

const QUESTION = "What is the capital of France?";
const ENTRY = join(import.meta.dirname, "..", "bin", "modicum.js");

/** Times a process from its start to the first piece of its answer, with the model's file in the page cache. */
export const cold: Bench = {
  name: "cold",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "fresh",
  sides: ({ model, path }) => ({
    ours: firstOutput(US, async () => [
      ENTRY,
      "run",
      "--model",
      model,
      "--temperature",
      "0",
      "--max-tokens",
      "1",
      QUESTION,
    ]),
    theirs: firstOutput(PEER, async () => [await compile("peer/coldLlama.ts"), path, QUESTION]),
  }),
};

/** A side that runs a Node script and times its first byte on stdout, in milliseconds. */
function firstOutput(name: string, args: () => Promise<string[]>): Side {
  let command: string[] = [];
  return {
    name,
    async start() {
      command = await args();
    },
    async run() {
      const started = performance.now();
      const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
      const exit = once(child, "exit");
      await Promise.race([once(child.stdout, "data"), exit]);
      const elapsed = performance.now() - started;
      child.stdout.resume();
      const [status] = await exit;
      if (status !== 0) throw new Error(`${name} ended with status ${status}`);
      return elapsed;
    },
    async stop() {},
  };
}
