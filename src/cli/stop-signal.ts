import { constants } from "node:os";
import { Interrupted } from "./errors.ts";
import { endWithoutTerminal } from "./lost-terminal.ts";

/** Milliseconds in which one signal may come twice: some send it to a group and to its first process, which passes it on, as npx does. */
const ONE_SIGNAL = 500;

const stopping = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Aborted by Ctrl-C, by a supervisor's signal, or when the terminal closes; a later signal ends the process at once, by
 * `end`; so does an exit without a terminal.
 */
export function stopSignal(end: (status: number) => void): AbortSignal {
  const told = new AbortController();
  let first = Number.POSITIVE_INFINITY;
  const take = (signal: (typeof stopping)[number]) => {
    const [now, status] = [performance.now(), 128 + constants.signals[signal]];
    if (now - first > ONE_SIGNAL) end(status);
    first = Math.min(first, now);
    told.abort(new Interrupted(status));
  };
  for (const signal of stopping) process.on(signal, take);
  endWithoutTerminal(end);
  return told.signal;
}
