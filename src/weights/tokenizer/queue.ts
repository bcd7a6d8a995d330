/** A heap of places by rank: the least rank first, of equal ones the leftmost place. */
export class Queue {
  /** The rank of the last item popped. */
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

  /** Takes out the first item; false if there is none. */
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
