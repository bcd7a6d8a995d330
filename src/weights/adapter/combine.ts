import { fnv1a } from "../../util/hash.ts";
import { seededRandom } from "../../util/random.ts";

/** Methods of combining adapters, under PEFT's names (`combination_type` of `add_weighted_adapter`). */
export const combinationTypes = ["cat", "linear", "ties", "dare_linear", "dare_ties"] as const;
export type CombinationType = (typeof combinationTypes)[number];

/** The rule by which TIES elects a sign: the sum of the values, or the number of values of each sign. */
export const signMethods = ["total", "frequency"] as const;

/** True if DARE keeps the adapter's value at an index. */
export type Mask = (place: MaskPlace) => (index: number) => boolean;

/** Identifies one factor of one adapter. */
interface MaskPlace {
  readonly module: string;
  readonly factor: "A" | "B";
  /** The adapter's index in the list. */
  readonly adapter: number;
  readonly density: number;
}

export interface Combination {
  readonly type: CombinationType;
  /** The fraction of values that TIES and DARE keep. */
  readonly density: number;
  readonly signs: (typeof signMethods)[number];
  readonly mask: Mask;
}

/** Masks that depend only on the seed and the position. */
export const seededMask =
  (seed: number): Mask =>
  ({ module, factor, adapter, density }) => {
    const random = seededRandom(seed + 2 ** 32 * (fnv1a(Buffer.from(`${module} ${factor} ${adapter}`)) >>> 12));
    return () => random() < density;
  };

/** One adapter's update of a module. */
interface WeightedUpdate {
  /** The adapter's index in the list. */
  readonly adapter: number;
  /** The adapter's weight times the update's scale. */
  readonly weight: number;
  readonly rank: number;
  /** [rank, inputs] */
  readonly a: Float32Array;
  /** [outputs, rank] */
  readonly b: Float32Array;
}

/** The two factors of a combined update, whose scale is 1. */
export interface CombinedFactors {
  readonly rank: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/**
 * Combines one module's updates into one, in float32, like PEFT. `cat` is the exact sum; its rank is the sum of the
 * updates' ranks. The other methods mix the factors themselves (Yadav et al. 2023, TIES; Yu et al. 2024, DARE), which
 * must have equal ranks.
 */
export function combined(module: string, updates: readonly WeightedUpdate[], how: Combination): CombinedFactors {
  if (how.type === "cat") return concatenated(updates);
  const root = ({ weight }: WeightedUpdate) => Math.fround(Math.sqrt(Math.abs(weight)));
  const mix = (factor: "A" | "B", weightOf: (update: WeightedUpdate) => number) => {
    const factors = updates.map((update) => {
      const values = factor === "A" ? update.a : update.b;
      return pruned(values, how, { module, factor, adapter: update.adapter, density: how.density });
    });
    return summed(factors, updates.map(weightOf), how);
  };
  // Only one of the two factors carries the sign.
  const signed = (update: WeightedUpdate) => (update.weight >= 0 ? root(update) : -root(update));
  return { rank: updates[0]!.rank, a: mix("A", signed), b: mix("B", root) };
}

function concatenated(updates: readonly WeightedUpdate[]): CombinedFactors {
  const rank = updates.reduce((sum, update) => sum + update.rank, 0);
  const inputs = updates[0]!.a.length / updates[0]!.rank;
  const outputs = updates[0]!.b.length / updates[0]!.rank;
  const [a, b] = [new Float32Array(rank * inputs), new Float32Array(outputs * rank)];
  let at = 0;
  for (const update of updates) {
    for (let i = 0; i < update.a.length; i++) a[at * inputs + i] = update.a[i]! * update.weight;
    for (let o = 0; o < outputs; o++) b.set(update.b.subarray(o * update.rank, (o + 1) * update.rank), o * rank + at);
    at += update.rank;
  }
  return { rank, a, b };
}

/** Keeps a fraction of the values, and sets the others to 0. */
function pruned(values: Float32Array, { type, mask }: Combination, place: MaskPlace): Float32Array {
  const { density } = place;
  if (type === "linear" || density >= 1) return values;
  if (type === "ties") return largest(values, Math.floor(density * values.length));
  const isKept = mask(place);
  return values.map((value, i) => (isKept(i) ? value / density : 0));
}

/** Keeps the `count` values of largest magnitude (the earlier of equal ones) and sets the rest to 0. */
function largest(values: Float32Array, count: number): Float32Array {
  const order = Uint32Array.from(values.keys()).sort((i, j) => Math.abs(values[j]!) - Math.abs(values[i]!) || i - j);
  const out = new Float32Array(values.length);
  for (const i of order.subarray(0, count)) out[i] = values[i]!;
  return out;
}

/** The weighted sum; for TIES, the mean of the values that have the elected sign. */
function summed(all: readonly Float32Array[], weights: readonly number[], { type, signs }: Combination): Float32Array {
  const elects = type === "ties" || type === "dare_ties";
  const f32 = Math.fround;
  const sum = (i: number, of: (value: number, which: number) => number) =>
    all.reduce((total, values, which) => f32(total + of(values[i]!, which)), 0);
  return all[0]!.map((_, i) => {
    const weighted = (value: number, which: number) => f32(value * weights[which]!);
    if (!elects) return sum(i, weighted);
    const elected = sum(i, signs === "total" ? (value) => value : Math.sign) >= 0 ? 1 : -1;
    const count = sum(i, (value) => Number(Math.sign(value) === elected));
    return sum(i, (value, which) => (Math.sign(value) === elected ? weighted(value, which) : 0)) / Math.max(count, 1);
  });
}
