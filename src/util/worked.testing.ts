/** Milliseconds of CPU time of this process so far; other processes do not count. */
export function worked(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The time of `yardstick` on a typical test machine, in milliseconds. */
const USUAL = 12;

const list = Array.from({ length: 20_000 }, (_, i) => ({ name: `item ${(i * 7919) % 20_000}`, at: [i, i / 3] }));

/** Text, objects and numbers, a little of each. */
function yardstick(): number {
  const before = worked();
  const copy = JSON.parse(JSON.stringify(list)) as typeof list;
  copy.sort((a, b) => (a.name < b.name ? -1 : 1));
  return worked() - before;
}

/** The factor by which this machine is slower than usual now, at least 1, for limits in milliseconds. */
export function slowness(): number {
  return Math.max(1, Math.min(...Array.from({ length: 5 }, yardstick)) / USUAL);
}
