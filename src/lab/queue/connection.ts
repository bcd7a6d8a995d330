import { Redis } from "ioredis";
import { UserError } from "../../util/errors.ts";

/** The queue's name, shared by all runs and workers on one Redis. */
export const QUEUE = "modicum-lab";

/** Milliseconds to wait for Redis's first answer. */
const PATIENCE = 5000;

export type Notice = (sentence: string) => void;

/**
 * Connects to Redis or Valkey, and reports lost and restored connections. Commands wait while the connection is lost.
 * @throws UserError if the first connection fails
 */
export async function connect(url: string, notice: Notice): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url)) throw new UserError(`--queue: expected redis://host:port, got "${url}"`, 2);
  const redis = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  let [gone, reason] = [true, "no answer"];
  redis.on("error", (error: Error) => (reason = error.message || reason));
  void redis.connect().catch(() => {});
  const there = await Promise.race([redis.ping().catch(() => undefined), later(PATIENCE)]);
  if (there !== "PONG") {
    redis.disconnect();
    throw new UserError(`${hidden(url)} does not answer: ${reason}`);
  }
  gone = false;
  redis.on("close", () => {
    if (!gone) notice(`${hidden(url)} is unreachable; waiting for it`);
    gone = true;
  });
  redis.on("ready", () => {
    if (gone) notice(`${hidden(url)} is back`);
    gone = false;
  });
  return redis;
}

/** Ends the connection silently. */
export function leave(redis: Redis): void {
  redis.removeAllListeners("close");
  redis.disconnect();
}

/** Waits without keeping the process alive. */
export const later = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref());

/** An address without its password. */
const hidden = (url: string): string => url.replace(/\/\/[^@/]*@/, "//");
