import { seededRandom, shuffle } from "../../src/util/random.ts";

/** A tensor's name and size. */
export interface Sized {
  readonly name: string;
  readonly size: number;
}

/** Random tensors, as many as a mask freezes. */
export function randomByTensors(tensors: readonly Sized[], count: number, seed: number): Set<string> {
  const order = shuffle([...tensors], seededRandom(seed));
  return new Set(order.slice(0, count).map(({ name }) => name));
}

/** The number of swaps to try between a frozen and another tensor. */
const SWAPS = 20_000;
/** A difference in parameters, of all of them, that is close enough. */
const CLOSE = 0.005;

/**
 * Random tensors, as many as a mask freezes and with about as many parameters: a random choice in which random pairs
 * are swapped if that brings the number of parameters closer.
 */
export function randomByParameters(
  tensors: readonly Sized[],
  count: number,
  parameters: number,
  seed: number,
): Set<string> {
  const random = seededRandom(seed);
  const order = shuffle([...tensors], random);
  const all = tensors.reduce((sum, { size }) => sum + size, 0);
  let off = order.slice(0, count).reduce((sum, { size }) => sum + size, 0) - parameters;
  for (let i = 0; i < SWAPS && Math.abs(off) > CLOSE * all; i++) {
    const [a, b] = [Math.floor(random() * count), count + Math.floor(random() * (order.length - count))];
    const after = off - order[a]!.size + order[b]!.size;
    if (Math.abs(after) >= Math.abs(off)) continue;
    off = after;
    [order[a], order[b]] = [order[b]!, order[a]!];
  }
  return new Set(order.slice(0, count).map(({ name }) => name));
}

/** The tensors that a learned mask would free first, as many as it freezes. */
export function inverse(shares: ReadonlyMap<string, number>, count: number): Set<string> {
  const sorted = [...shares].toSorted(([, a], [, b]) => a - b);
  return new Set(sorted.slice(0, count).map(([name]) => name));
}
