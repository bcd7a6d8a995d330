import { setTimeout as sleep } from "node:timers/promises";

/** Resolves when `awaited` does, or after `limit` milliseconds. */
export async function within(limit: number, awaited: Promise<unknown> | undefined): Promise<void> {
  const over = new AbortController();
  await Promise.race([awaited, sleep(limit, undefined, { signal: over.signal }).catch(() => {})]);
  over.abort();
}
