import type { Command } from "commander";
import { version } from "../../util/package-root.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";

export function define(command: Command): void {
  command
    .requiredOption(
      "--queue <url>",
      "redis://host:port, the queue of `lab run`, `lab tune`, `train sweep` and `index add` with `--queue`",
    )
    .action(async ({ queue }: { queue: string }) => {
      // The queue's libraries are loaded only for this verb and for `--queue`.
      const { work } = await import("../../lab/queue/worker.ts");
      const notice = (sentence: string) => process.stderr.write(`${sentence}\n`);
      await work(queue, { version: version(), notice, signal: interruptSignal() });
    });
  examples(command, "modicum lab worker --queue redis://localhost:6379");
}
