/** What several generators give, as it comes, each with its place. Where one fails or the reader leaves, all are ended. */
export async function* merged<T>(
  sources: readonly AsyncGenerator<T, void>[],
): AsyncGenerator<[place: number, value: T], void> {
  const next = async (place: number) => ({ place, result: await sources[place]!.next() });
  const pending = new Map(sources.map((_, place) => [place, next(place)]));
  try {
    while (pending.size > 0) {
      const { place, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(place);
        continue;
      }
      yield [place, result.value];
      pending.set(place, next(place));
    }
  } finally {
    // Those whose next value nobody awaits any more may fail as well.
    for (const waiting of pending.values()) waiting.catch(() => undefined);
    await Promise.allSettled(sources.map((source) => source.return()));
  }
}
