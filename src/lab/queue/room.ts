import { later, type Notice } from "./connection.ts";

/** Milliseconds between two attempts. */
const AGAIN = 2000;

/**
 * Retries a command while Redis has no memory left.
 * @throws an AbortError if `signal` stopped it, or any other error
 */
export async function onceThereIsRoom<T>(
  attempt: () => Promise<T>,
  notice: Notice,
  signal?: AbortSignal,
  again = AGAIN,
): Promise<T> {
  for (let notified = false; ; notified = true) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    if (!notified) notice("Redis has no memory left (its maxmemory is reached); waiting for free memory");
    await later(again);
  }
}

const isFull = (error: unknown): boolean => error instanceof Error && /\bOOM command not allowed/.test(error.message);
