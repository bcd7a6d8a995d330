import { Interruption } from "./errors.ts";
import { listenForStop } from "./stop-signal.ts";

let running: AbortController | undefined;

/** A signal that is aborted by a stop signal or by `interrupt`. */
export function interruptSignal(): AbortSignal {
  running = new AbortController();
  listenForStop(running);
  return running.signal;
}

/** Runs work that a stop signal aborts. After that work, a stop signal ends the process at once. */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  running = new AbortController();
  const release = listenForStop(running);
  try {
    return await work(running.signal);
  } finally {
    release();
    running = undefined;
  }
}

/** Stops running work, which is then billed and ends with `status`; false if nothing can be stopped. */
export function interrupt(status: number): boolean {
  running?.abort(new Interruption(status));
  return running !== undefined;
}

/** An error handler that prints on stderr how to resume the work, if `signal` stopped it. */
export const sayHowToGoOn =
  (signal: AbortSignal, how: () => string) =>
  (error: unknown): never => {
    if (signal.aborted) process.stderr.write(`stopped; ${how()}\n`);
    throw error;
  };
