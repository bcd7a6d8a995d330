import type { Command } from "commander";
import { interruptSignal } from "../interrupt.ts";

export function define(command: Command): void {
  command
    .requiredOption("--queue <url>", "redis://host:port of the queue that `lab run --queue` fills")
    .action(async ({ queue }: { queue: string }) => {
      // The queue's libraries are of use here and in `lab run --queue` alone.
      const { work } = await import("../../lab/queue/worker.ts");
      await work(queue, (sentence) => process.stderr.write(`${sentence}\n`), interruptSignal());
    });
}
