import { readFileSync } from "node:fs";
import os from "node:os";

/** CPU quota of the cgroup (v2, then v1) that this process is in, in cores; undefined when there is none. */
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

/** Threads worth using: the cores this process may run on (affinity), within its cgroup's quota. MODICUM_THREADS overrides. */
export function availableThreads(): number {
  const wanted = Number(process.env["MODICUM_THREADS"]);
  if (Number.isInteger(wanted) && wanted > 0) return wanted;
  return Math.max(1, Math.min(os.availableParallelism(), Math.ceil(cgroupQuota() ?? Number.POSITIVE_INFINITY)));
}
