import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../util/errors.ts";
import type { Pace, Remote } from "./connection.ts";
import { hostOf, leastBytes, TransientError } from "./network.ts";

/** An error for a network or a host that does not answer, as opposed to one that refuses. */
export class Unreachable extends UserError {}

export interface Persistence {
  remote: Remote;
  pace: Pace;
  signal: AbortSignal;
  /** The total number of bytes of all attempts so far; an attempt that adds bytes resets the failure count. */
  bytes(): number;
  /** Returns text to append to the error message when the work stops. */
  kept?(): string;
  /** Called with a sentence about a lost connection and the time of the next attempt. */
  onNotice?: ((sentence: string) => void) | undefined;
}

/** Repeats a dropped attempt after growing waits. @throws Unreachable after too many consecutive failures */
export async function persist<T>(job: Persistence, attempt: () => Promise<T>): Promise<T> {
  let most = job.bytes();
  for (let failures = 0; ; ) {
    const result = await attempt().catch(droppedOnly);
    if (!(result instanceof TransientError)) return result;
    failures = job.bytes() >= most + leastBytes ? 1 : failures + 1;
    most = Math.max(most, job.bytes());
    const problem = `cannot fetch ${job.remote.what} from ${hostOf(job.remote.url)}: ${result.message}`;
    if (failures >= job.pace.attempts) throw new Unreachable(`${problem}${job.kept?.() ?? ""}`);
    const ms = Math.max(result.waitMs, job.pace.delayMs * 2 ** (failures - 1));
    job.onNotice?.(`${problem}; trying again in ${(ms / 1000).toFixed(1)} s`);
    await sleep(ms, undefined, { signal: job.signal });
  }
}

function droppedOnly(error: unknown): TransientError {
  if (error instanceof TransientError) return error;
  throw error;
}
