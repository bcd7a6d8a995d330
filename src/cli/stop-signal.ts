import { constants } from "node:os";
import { Interrupted } from "./errors.ts";

/** Milliseconds in which one signal may come twice: some send it to a group and to its first process, which passes it on, as npx does. */
const ONE_SIGNAL = 500;

/** Aborted by Ctrl-C, or by what a supervisor sends; another one later ends the process at once, by `end`. */
export function stopSignal(end: (status: number) => void): AbortSignal {
  const told = new AbortController();
  let first = Number.POSITIVE_INFINITY;
  const take = (signal: "SIGINT" | "SIGTERM") => {
    const [now, status] = [performance.now(), 128 + constants.signals[signal]];
    if (now - first > ONE_SIGNAL) end(status);
    first = Math.min(first, now);
    told.abort(new Interrupted(status));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, take);
  return told.signal;
}
