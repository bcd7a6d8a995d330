import { constants } from "node:os";
import { Interruption } from "./errors.ts";
import { endWithoutTerminal } from "./lost-terminal.ts";

/**
 * Milliseconds within which two signals count as one: some senders signal a process group and its first process, which,
 * like npx, forwards the signal.
 */
const ONE_SIGNAL = 500;

/** The stop signals, which Node can handle on every platform. */
const stopping = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The signal of `listenForStop`, for a whole command. */
export function stopSignal(end?: (status: number) => void): AbortSignal {
  const controller = new AbortController();
  listenForStop(controller, end);
  return controller.signal;
}

/**
 * Makes Ctrl-C, a supervisor's signal or a closing terminal abort a controller; a later signal ends the process at once
 * with `end`. Returns a function that restores the default handling.
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
    controller.abort(new Interruption(status));
  };
  for (const signal of stopping) process.on(signal, take);
  endWithoutTerminal();
  return () => {
    for (const signal of stopping) process.off(signal, take);
  };
}
