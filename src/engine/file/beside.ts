/**
 * Waits for `making`, which works on other threads, and meanwhile runs `read` here. If one fails, the other is awaited
 * and disposed of.
 */
export async function beside<T extends Disposable, U>(making: Promise<T>, read: () => U): Promise<[T, U]> {
  const [made, found] = await Promise.allSettled([making, Promise.resolve().then(read)]);
  if (made.status === "fulfilled" && found.status === "fulfilled") return [made.value, found.value];
  if (made.status === "fulfilled") made.value[Symbol.dispose]();
  throw found.status === "rejected" ? found.reason : (made as PromiseRejectedResult).reason;
}
