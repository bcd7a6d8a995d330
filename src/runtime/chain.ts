import { type Bindings, evalCost } from "../graph/index.ts";
import type { BoundProgram, Program } from "./program.ts";

/** A program below both limits takes a few milliseconds on any core. */
const BRIEF = { bytes: 40e6, flops: 1e8 };

/**
 * True if a program with these sizes should run on the calling thread; false for programs on other devices, because
 * they run one at a time.
 */
export function isBrief(program: Program, sizes: Bindings): boolean {
  if (program.device !== "cpu") return false;
  const { bytes, flops } = evalCost(program.cost, sizes);
  return bytes < BRIEF.bytes && flops < BRIEF.flops;
}

/** Lets the event loop turn: timers, sockets, other requests. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Runs programs in order. `brief` ones, which take a few milliseconds, run on the calling thread and yield to the event
 * loop after each, because a change of thread (about 0.1 ms, and a cold core) would cost more than that.
 */
export async function runChain(programs: readonly BoundProgram[], brief: boolean): Promise<void> {
  for (const program of programs)
    if (brief) {
      for (let busy = program.program.busy; busy; busy = program.program.busy) await busy;
      program.runSync();
      await turn();
    } else await program.run();
}
