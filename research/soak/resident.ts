import { readFile } from "node:fs/promises";

/** A server's memory at a time, MB. */
export interface Resident {
  readonly seconds: number;
  readonly mb: number;
  /** The part that maps no file, so without weights that lie in their files. */
  readonly anonymous: number;
  /** Keys and values by the server's own count, and JavaScript's heap. */
  readonly keyValues: number;
  readonly heap: number;
}

/** Reads the memory of a server's process, and its own /metrics. */
export async function resident(url: string, pid: number): Promise<Omit<Resident, "seconds">> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]) / 1000;
  const bytes = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].reduce(
      (sum, [, n]) => sum + Number(n) / 1e6,
      0,
    );
  const all = {
    mb: kb("VmRSS"),
    anonymous: kb("RssAnon"),
    keyValues: bytes("modicum:kv_cache_bytes"),
    heap: bytes("nodejs_heap_size_used_bytes"),
  };
  const rounded = Object.entries(all).map(([name, mb]) => [name, Math.round(mb * 10) / 10]);
  return Object.fromEntries(rounded) as typeof all;
}
