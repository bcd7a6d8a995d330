import type { Engine } from "../decode/run/engine.ts";
import { commonPrefix } from "../decode/state/cached.ts";
import { WORTH_COPYING } from "../decode/state/slots.ts";
import type { Ticket, Work } from "./ticket.ts";

/** A ticket whose sequence has a row. */
export type Begun = Ticket & { sequence: Work };

export const begun = (ticket: Ticket): ticket is Begun => ticket.sequence !== undefined;

/** The running requests, in order of their start. */
export class Rows extends Set<Begun> {
  /** The number of requests of a key. */
  of(key: string): number {
    return [...this].filter((row) => row.key === key).length;
  }

  /** Requests with unfinished prompts, in scheduling order. */
  prefilling(): Begun[] {
    return [...this].filter(({ sequence }) => sequence.left > 0).sort((a, b) => a.due - b.due);
  }

  /** Requests that are decoding, grouped by the engine that runs them together. */
  decoding(): Map<Engine, Begun[]> {
    const byEngine = new Map<Engine, Begun[]>();
    for (const row of this)
      if (row.sequence.left === 0) byEngine.set(row.engine, [...(byEngine.get(row.engine) ?? []), row]);
    return byEngine;
  }

  /**
   * True if a running prompt will cache more of this prompt's prefix than is cached now: waiting and copying the prefix
   * is cheaper than running it twice.
   */
  willBring({ engine, reuses, stateKey }: Ticket): boolean {
    if (stateKey === undefined) return false;
    const coming = this.prefilling().filter((row) => row.engine === engine && row.stateKey === stateKey);
    const shared = Math.max(0, ...coming.map((row) => commonPrefix(row.job.prompt, reuses)));
    return shared - engine.slots.reusable(reuses, stateKey) >= WORTH_COPYING;
  }
}
