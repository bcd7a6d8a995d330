import { readFileSync } from "node:fs";
import os from "node:os";
import { UserError } from "../util/errors.ts";

/** The CPU quota of this process's cgroup (v2, then v1), in cores; undefined without a quota. */
function cgroupQuota(): number | undefined {
  const read = (file: string) => {
    try {
      return readFileSync(file, "utf8").trim();
    } catch {
      return undefined;
    }
  };
  const v2 = read("/sys/fs/cgroup/cpu.max")?.split(" ");
  const [quota, period] = v2 ?? [
    read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    read("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
  ];
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

/** The thread count requested in this process. */
let chosen: number | undefined;
/** The pool's thread count. */
let poolSize: number | undefined;

/**
 * Sets the size of the thread pool before the first model creates it.
 * @throws UserError if the process's pool already has a different size
 */
export function chooseThreads(threads: number): void {
  if (poolSize !== undefined && poolSize !== threads)
    throw new UserError(`all models in this process share ${poolSize} threads; expected threads: ${poolSize}`, 2);
  chosen = threads;
}

/** The thread count of the process's pool; it cannot change after the first call. */
export function poolThreads(): number {
  poolSize = chosen ?? availableThreads();
  return poolSize;
}

/**
 * Useful thread count: cores this process may use (affinity), within its cgroup's quota. MODICUM_THREADS overrides it.
 */
export function availableThreads(): number {
  const threads = Number(process.env["MODICUM_THREADS"]);
  if (Number.isInteger(threads) && threads > 0) return threads;
  return Math.max(1, Math.min(os.availableParallelism(), Math.ceil(cgroupQuota() ?? Number.POSITIVE_INFINITY)));
}
