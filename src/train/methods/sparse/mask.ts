import type { Units } from "./blocks.ts";

/** The score of pruned units, below all others. */
const PRUNED = -1;

/** One byte per trained weight: 1 if retained, 0 if pruned. Pruned weights are never restored. */
export class PruningMask {
  readonly bytes: Uint8Array<ArrayBuffer>;

  /** Units are ranked within groups: the whole model, each matrix, or each layer. */
  constructor(
    elements: number,
    private readonly groups: readonly (readonly Units[])[],
  ) {
    // The length is rounded up to whole words, because a checkpoint stores the mask as float32.
    this.bytes = new Uint8Array(4 * Math.ceil(elements / 4)).fill(1);
  }

  /**
   * The number of remaining weights if each group retains `share` of its original weights, rounded down to whole units.
   */
  weightsLeft(share: number): number {
    return this.groups.reduce((sum, group) => sum + group[0]!.size * unitsLeft(group, share), 0);
  }

  /** Retains the units with the greatest scores, a `share` of all original units; scores must be at least 0. */
  prune(share: number, score: (units: Units, index: number) => number): void {
    for (const group of this.groups) {
      const stays = greatest(this.#scores(group, score), unitsLeft(group, share));
      let i = 0;
      for (const units of group)
        for (let index = 0; index < units.count; index++) if (stays[i++] === 0) units.fill(index, this.bytes, 0);
    }
  }

  #scores(group: readonly Units[], score: (units: Units, index: number) => number): Float32Array {
    const scores = new Float32Array(countOf(group)).fill(PRUNED);
    let i = 0;
    for (const units of group)
      for (let index = 0; index < units.count; index++, i++)
        if (this.bytes[units.first(index)] === 1) scores[i] = score(units, index);
    return scores;
  }

  /** Sets pruned weights to zero. */
  apply(values: Float32Array): void {
    const { bytes } = this;
    for (let i = 0; i < values.length; i++) if (bytes[i] === 0) values[i] = 0;
  }
}

/** A tolerance, so that rounding in a share such as 0.2 = 1 − 0.8 does not lose a weight. */
const ROUNDING = 1e-12;

const countOf = (group: readonly Units[]): number => group.reduce((sum, { count }) => sum + count, 0);

const unitsLeft = (group: readonly Units[], share: number): number =>
  Math.floor(countOf(group) * share * (1 + ROUNDING));

/** Marks the `count` greatest of `scores`; ties go to the lower index. Returns one byte per score, 1 if marked. */
export function greatest(scores: Float32Array, count: number): Uint8Array {
  const chosen = new Uint8Array(scores.length);
  if (count <= 0) return chosen;
  if (count >= scores.length) return chosen.fill(1);
  const least = scores.toSorted()[scores.length - count]!;
  let remaining = count;
  for (let i = 0; i < scores.length; i++)
    if (scores[i]! > least) {
      chosen[i] = 1;
      remaining--;
    }
  for (let i = 0; remaining > 0; i++)
    if (scores[i] === least) {
      chosen[i] = 1;
      remaining--;
    }
  return chosen;
}
