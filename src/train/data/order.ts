import { seededRandom, shuffle } from "../../util/random.ts";

/** Random numbers for one use in one epoch, determined by seed, epoch and use. */
export function epochRandom(seed: number, epoch: number, use: "order" | "offset"): () => number {
  const seeds = seededRandom(seed);
  const place = 2 * epoch + (use === "order" ? 0 : 1);
  for (let i = 0; i < place; i++) seeds();
  return seededRandom(Math.floor(seeds() * 2 ** 53));
}

/** The numbers from 0 to `count` − 1 in random order. */
export const permutation = (count: number, random: () => number): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  );

/** Caches the last result of `make`, because a run requests the same epoch many times. */
export function lastKept<T>(make: (epoch: number) => T): (epoch: number) => T {
  let last: { readonly epoch: number; readonly value: T } | undefined;
  return (epoch) => {
    if (last?.epoch !== epoch) last = { epoch, value: make(epoch) };
    return last.value;
  };
}

/** The order of `count` items in an epoch: with a seed, random and different in each epoch; otherwise unchanged. */
export const epochOrder = (count: number, seed: number | undefined): ((epoch: number) => Uint32Array) =>
  lastKept((epoch) =>
    seed === undefined
      ? Uint32Array.from({ length: count }, (_, i) => i)
      : permutation(count, epochRandom(seed, epoch, "order")),
  );

/** One file of a mixture: its number of items, and its weight relative to the other files. */
export interface MixturePart {
  readonly count: number;
  readonly weight: number;
}

/** The number of items that an epoch draws from each part; their sum is about the size of all parts together. */
export function quotasOf(parts: readonly MixturePart[]): number[] {
  const sum = (of: (part: MixturePart) => number) => parts.reduce((all, part) => all + of(part), 0);
  const [count, weight] = [sum((part) => part.count), sum((part) => (part.count > 0 ? part.weight : 0))];
  return parts.map((part) => (part.count > 0 ? Math.max(1, Math.round((count * part.weight) / weight)) : 0));
}

/**
 * Each epoch's items in random order, determined by seed and epoch; items are numbered part after part. In each
 * part, an epoch continues where the previous one ended; no item repeats until all of the part's items have been used.
 */
export function mixedOrder(parts: readonly MixturePart[], seed: number): (epoch: number) => Uint32Array {
  const quotas = quotasOf(parts);
  const passes = parts.map(({ count }, part) =>
    lastKept((pass) => permutation(count, epochRandom(seed + 1 + part, pass, "order"))),
  );
  return lastKept((epoch) => {
    const drawn = parts.flatMap(({ count }, part) => {
      const start = parts.slice(0, part).reduce((sum, before) => sum + before.count, 0);
      return Array.from({ length: quotas[part]! }, (_, i) => {
        const at = epoch * quotas[part]! + i;
        return start + passes[part]!(Math.floor(at / count))[at % count]!;
      });
    });
    return shuffle(Uint32Array.from(drawn), epochRandom(seed, epoch, "order"));
  });
}
