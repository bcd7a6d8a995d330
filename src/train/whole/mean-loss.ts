/** The mean of the first tenth. */
export function meanOfFirst(losses: readonly number[]): number {
  const some = losses.slice(0, Math.max(1, Math.round(losses.length / 10)));
  return some.reduce((sum, loss) => sum + loss, 0) / some.length;
}
