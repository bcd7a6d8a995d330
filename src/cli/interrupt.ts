import { Interrupted } from "./errors.ts";
import { listenForStop } from "./stop-signal.ts";

let running: AbortController | undefined;

/** A signal that is aborted as `stopSignal` is, or by `interrupt`. */
export function interruptSignal(): AbortSignal {
  running = new AbortController();
  listenForStop(running);
  return running.signal;
}

/** Does work that can be stopped, before work that cannot: once it is done, a stop signal ends the process at once. */
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

/** Stops running work, so that it is billed and ends with `status`; false if nothing that can be stopped runs. */
export function interrupt(status: number): boolean {
  running?.abort(new Interrupted(status));
  return running !== undefined;
}

/** A handler of errors that says on stderr how work goes on if `signal` stopped it. */
export const sayHowToGoOn =
  (signal: AbortSignal, how: () => string) =>
  (error: unknown): never => {
    if (signal.aborted) process.stderr.write(`stopped; ${how()}\n`);
    throw error;
  };
