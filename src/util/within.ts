import { setTimeout as sleep } from "node:timers/promises";

/** Until what is awaited has come, or so many milliseconds are over. */
export async function within(limit: number, awaited: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([awaited, sleep(limit, undefined, { signal: over.signal }).catch(() => {})]);
  over.abort();
}
