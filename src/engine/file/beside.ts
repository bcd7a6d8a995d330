/** What is made on other threads, and what `read` gives here meanwhile. Where one fails, the other is waited for and disposed of. */
export async function beside<T extends Disposable, U>(making: Promise<T>, read: () => U): Promise<[T, U]> {
  const [made, found] = await Promise.allSettled([making, Promise.resolve().then(read)]);
  if (made.status === "fulfilled" && found.status === "fulfilled") return [made.value, found.value];
  if (made.status === "fulfilled") made.value[Symbol.dispose]();
  throw found.status === "rejected" ? found.reason : (made as PromiseRejectedResult).reason;
}
