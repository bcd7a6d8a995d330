/**
 * Waits for `making`, which works on other threads, and meanwhile runs `read` on this thread. If one fails, the other
 * is awaited and disposed of.
 */
export async function beside<T extends Disposable, U>(making: Promise<T>, read: () => U): Promise<[T, U]> {
  const [maker, reader] = await Promise.allSettled([making, Promise.resolve().then(read)]);
  if (maker.status === "fulfilled" && reader.status === "fulfilled") return [maker.value, reader.value];
  if (maker.status === "fulfilled") maker.value[Symbol.dispose]();
  throw reader.status === "rejected" ? reader.reason : (maker as PromiseRejectedResult).reason;
}
