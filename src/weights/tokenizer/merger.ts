import type { Merges } from "./merges.ts";

/** Merges the pieces of a word; its arrays are reused for every word. */
export class Merger {
  private next = new Int32Array(0);
  private previous = new Int32Array(0);
  /** The rank at which a piece now merges with the next one; queue entries with other ranks are out of date. */
  private ranks = new Float64Array(0);
  private joined = new Int32Array(0);
  private readonly queue = new Queue();

  constructor(private readonly merges: Merges) {}

  /** Merges `ids` in place until no pair merges: the lowest rank first, and the leftmost if ranks are equal. */
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

/** A heap of positions by rank: the lowest rank first, and the leftmost if ranks are equal. */
class Queue {
  /** The rank of the last removed item. */
  rank = 0;
  place = 0;
  private readonly ranks: number[] = [];
  private readonly places: number[] = [];

  push(rank: number, place: number): void {
    const { ranks, places } = this;
    let at = ranks.length;
    for (ranks.push(rank), places.push(place); at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.less(rank, place, parent)) break;
      this.move(parent, at);
      at = parent;
    }
    ranks[at] = rank;
    places[at] = place;
  }

  /** Removes the first item; returns false if the heap is empty. */
  pop(): boolean {
    if (this.ranks.length === 0) return false;
    this.rank = this.ranks[0]!;
    this.place = this.places[0]!;
    const rank = this.ranks.pop()!;
    const place = this.places.pop()!;
    if (this.ranks.length > 0) this.sink(rank, place);
    return true;
  }

  private sink(rank: number, place: number): void {
    const { ranks, places } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= ranks.length) break;
      if (child + 1 < ranks.length && this.less(ranks[child + 1]!, places[child + 1]!, child)) child++;
      if (this.less(rank, place, child)) break;
      this.move(child, at);
      at = child;
    }
    ranks[at] = rank;
    places[at] = place;
  }

  private less(rank: number, place: number, than: number): boolean {
    const other = this.ranks[than]!;
    return rank < other || (rank === other && place < this.places[than]!);
  }

  private move(from: number, to: number): void {
    this.ranks[to] = this.ranks[from]!;
    this.places[to] = this.places[from]!;
  }
}
