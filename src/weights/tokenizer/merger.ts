import type { Merges } from "./merges.ts";
import { Queue } from "./queue.ts";

/** Merges the pieces of a word, over arrays that serve every word. */
export class Merger {
  private next = new Int32Array(0);
  private previous = new Int32Array(0);
  /** The rank at which a piece merges with the next one; other ranks in the queue are out of date. */
  private ranks = new Float64Array(0);
  private joined = new Int32Array(0);
  private readonly queue = new Queue();

  constructor(private readonly merges: Merges) {}

  /** `ids` until no two neighbours merge: always the pair of the least rank, of equal ones the leftmost. Changes `ids`. */
  merge(ids: number[]): number[] {
    this.fit(ids.length);
    const { queue, next, previous, ranks } = this;
    for (let at = 0; at < ids.length; at++) {
      next[at] = at + 1;
      previous[at] = at - 1;
    }
    for (let at = 0; at < ids.length; at++) this.consider(ids, at);
    while (queue.pop()) {
      const { rank, place: at } = queue;
      if (ranks[at] !== rank) continue;
      const gone = next[at]!;
      ids[at] = this.joined[at]!;
      ranks[gone] = Number.NaN;
      next[at] = next[gone]!;
      if (next[at]! < ids.length) previous[next[at]!] = at;
      this.consider(ids, at);
      if (previous[at]! >= 0) this.consider(ids, previous[at]!);
    }
    const rest: number[] = [];
    for (let at = 0; at < ids.length; at = next[at]!) rest.push(ids[at]!);
    return rest;
  }

  private consider(ids: readonly number[], at: number): void {
    const after = this.next[at]!;
    const slot = after < ids.length ? this.merges.find(ids[at]!, ids[after]!) : -1;
    if (slot < 0) this.ranks[at] = Number.NaN;
    else {
      const rank = this.merges.rank(slot);
      this.ranks[at] = rank;
      this.joined[at] = this.merges.joined(slot);
      this.queue.push(rank, at);
    }
  }

  private fit(count: number): void {
    if (this.next.length >= count) return;
    const size = 2 * count;
    this.next = new Int32Array(size);
    this.previous = new Int32Array(size);
    this.ranks = new Float64Array(size);
    this.joined = new Int32Array(size);
  }
}
