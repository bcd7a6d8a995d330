/**
 * Merges several generators as their items arrive, each with its index. If one fails or the reader leaves, `stop` must
 * end all generators; each is then read to its end, so that it is billed.
 */
export async function* merged<T>(
  sources: readonly AsyncGenerator<T, void>[],
  stop: () => void,
): AsyncGenerator<[place: number, value: T], void> {
  const next = async (place: number) => ({ place, result: await sources[place]!.next() });
  const pending = new Map(sources.map((_, place) => [place, next(place)]));
  try {
    while (pending.size > 0) {
      const { place, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(place);
      else {
        pending.set(place, next(place));
        yield [place, result.value];
      }
    }
  } finally {
    if (pending.size > 0) stop();
    await Promise.allSettled([...pending.values(), ...sources.map(ended)]);
  }
}

async function ended(source: AsyncGenerator<unknown, void>): Promise<void> {
  while (!(await source.next()).done);
}
