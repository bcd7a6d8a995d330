import { setTimeout } from "node:timers/promises";
import { StoreFault } from "./store/store.ts";

/** Milliseconds before each retry, for a database that is temporarily unreachable. */
const PAUSES = [500, 1000, 2000, 4000];

/** Runs an action that is safe to repeat, and retries it while the index's storage fails. */
export async function patiently<T>(action: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error;
      await setTimeout(pause);
    }
  }
  return action();
}
