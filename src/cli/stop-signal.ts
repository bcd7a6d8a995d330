import { constants } from "node:os";
import { Interrupted } from "./errors.ts";
import { endWithoutTerminal } from "./lost-terminal.ts";

/**
 * Milliseconds in which one signal may arrive twice, since some senders signal a group and its first process, which
 * forwards it, as npx does.
 */
const ONE_SIGNAL = 500;

/** Node can listen to all of them on every platform. */
const stopping = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The signal of `listenForStop`, for a whole command. */
export function stopSignal(end?: (status: number) => void): AbortSignal {
  const controller = new AbortController();
  listenForStop(controller, end);
  return controller.signal;
}

/**
 * Lets Ctrl-C, a supervisor's signal or a closing terminal abort a controller; a later signal ends the process at once,
 * by `end`. Returns a function that restores the default handling.
 */
export function listenForStop(
  controller: AbortController,
  end: (status: number) => void = (status) => process.exit(status),
): () => void {
  let first = Number.POSITIVE_INFINITY;
  const take = (signal: NodeJS.Signals) => {
    const [now, status] = [performance.now(), 128 + constants.signals[signal]];
    if (now - first > ONE_SIGNAL) end(status);
    first = Math.min(first, now);
    controller.abort(new Interrupted(status));
  };
  for (const signal of stopping) process.on(signal, take);
  endWithoutTerminal();
  return () => {
    for (const signal of stopping) process.off(signal, take);
  };
}
