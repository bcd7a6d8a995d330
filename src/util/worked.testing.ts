/** Milliseconds of this process's work so far: what other processes do meanwhile does not count. */
export function worked(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
