import type { BoundProgram } from "./program.ts";

/** Lets the event loop turn: timers, sockets, other requests. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Runs programs one after the other. `brief` ones, of a few milliseconds, run on the calling thread with a turn of the event loop after
 * each: changing threads for each (about 0.1 ms, and a cold core) would cost more than it frees.
 */
export async function runChain(programs: readonly BoundProgram[], brief: boolean): Promise<void> {
  for (const program of programs)
    if (brief) {
      program.runSync();
      await turn();
    } else await program.run();
}
