import { setTimeout as sleep } from "node:timers/promises";
import type { Said } from "./redis.testing.ts";

/**
 * Keeps three workers until `done`: after each pause, of `pause()` milliseconds, a random one is killed (`kill -9`) and
 * replaced. Returns the number of kills.
 */
export async function killsUntil(
  done: () => boolean,
  start: () => Said,
  pause: () => number,
  random: () => number,
): Promise<number> {
  const workers = [start(), start(), start()];
  for (let kills = 0; ; kills++) {
    for (const end = Date.now() + pause(); Date.now() < end; await sleep(50))
      if (done()) {
        for (const worker of workers) worker.kill("SIGKILL");
        return kills;
      }
    const victim = Math.floor(random() * workers.length);
    workers[victim]!.kill("SIGKILL");
    workers[victim] = start();
  }
}
