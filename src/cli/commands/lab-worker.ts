import type { Command } from "commander";
import { interruptSignal } from "../interrupt.ts";
import { version } from "../package.ts";

export function define(command: Command): void {
  command
    .requiredOption("--queue <url>", "redis://host:port, the queue of `lab run --queue`")
    .action(async ({ queue }: { queue: string }) => {
      // The queue's libraries are of use here and in `lab run --queue` alone.
      const { work } = await import("../../lab/queue/worker.ts");
      const notice = (sentence: string) => process.stderr.write(`${sentence}\n`);
      await work(queue, { version: version(), notice, signal: interruptSignal() });
    });
}
