import type { KvGroup, LayerRange, StateGroup } from "./kv-group.ts";
import type { RecurrentGroup } from "./recurrent-group.ts";

/**
 * A hybrid's state in some layers of one row of a cache: keys and values in attention layers, recurrent states in the
 * other layers. A sequence can continue only where both kinds can, that is, where states are stored.
 */
export class MixedGroup implements StateGroup {
  constructor(
    private readonly entries: KvGroup,
    private readonly states: RecurrentGroup,
  ) {}

  get layers(): LayerRange {
    return this.entries.layers;
  }

  get length(): number {
    return this.states.length;
  }

  isFresh(length: number): boolean {
    return this.entries.isFresh(length) && this.states.isFresh();
  }

  begin(): void {
    this.states.begin();
  }

  grow(positions: ArrayLike<number>): void {
    this.entries.grow(positions);
    this.states.grow(positions);
  }

  mark(): void {
    this.states.mark();
  }

  reusable(end: number): number {
    const most = Math.min(this.entries.reusable(end), this.states.reusable(end));
    return most === end ? most : this.reusable(most);
  }

  truncate(end: number): number {
    const most = this.reusable(end);
    this.entries.truncate(most);
    return this.states.truncate(most);
  }

  copy(from: MixedGroup, length: number): void {
    this.entries.copy(from.entries, length);
    this.states.copy(from.states, length);
  }

  exchange(other: MixedGroup): void {
    this.entries.exchange(other.entries);
    this.states.exchange(other.states);
  }

  trim(keep: number): void {
    this.entries.trim(keep);
    this.states.trim(keep);
  }

  split(at: number): [MixedGroup, MixedGroup] {
    const [entries, states] = [this.entries.split(at), this.states.split(at)];
    return [new MixedGroup(entries[0], states[0]), new MixedGroup(entries[1], states[1])];
  }

  join(deeper: readonly MixedGroup[]): MixedGroup {
    return new MixedGroup(
      this.entries.join(deeper.map(({ entries }) => entries)),
      this.states.join(deeper.map(({ states }) => states)),
    );
  }

  get bytes(): number {
    return this.entries.bytes + this.states.bytes;
  }
}
