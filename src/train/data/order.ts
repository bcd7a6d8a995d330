import { seededRandom, shuffle } from "../../util/random.ts";

/** Random numbers for one use in one epoch: a pure function of all three. */
export function epochRandom(seed: number, epoch: number, use: "order" | "offset"): () => number {
  const seeds = seededRandom(seed);
  const place = 2 * epoch + (use === "order" ? 0 : 1);
  for (let i = 0; i < place; i++) seeds();
  return seededRandom(Math.floor(seeds() * 2 ** 53));
}

/** 0 to `count` − 1 in a random order. */
export const permutation = (count: number, random: () => number): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  );

/** `make` with its last result cached: a run requests the same epoch many times. */
export function lastKept<T>(make: (epoch: number) => T): (epoch: number) => T {
  let last: { readonly epoch: number; readonly value: T } | undefined;
  return (epoch) => {
    if (last?.epoch !== epoch) last = { epoch, value: make(epoch) };
    return last.value;
  };
}

/** The order of `count` items in an epoch: random for each epoch if there is a seed, else the original order. */
export const epochOrder = (count: number, seed: number | undefined): ((epoch: number) => Uint32Array) =>
  lastKept((epoch) =>
    seed === undefined
      ? Uint32Array.from({ length: count }, (_, i) => i)
      : permutation(count, epochRandom(seed, epoch, "order")),
  );
