import { bytesPerElement } from "../../graph/tensor.ts";
import { isRecurrent } from "../decoder/decoder.ts";
import type { KvRows } from "./cache.ts";
import type { LayerRange, StateGroup } from "./kv-group.ts";

/** The states after the sequence's first `end` tokens, by layer. */
interface Snapshot {
  readonly end: number;
  readonly states: ReadonlyMap<number, Float32Array>;
}

/** The number of snapshots per sequence; each is as large as the sequence's state. */
const SNAPSHOTS = 4;

/**
 * The states of some recurrent layers in one row of a cache. Each state covers all tokens so far, so a sequence can
 * continue only from its end or from a snapshot. Chunks of its prompt leave snapshots.
 */
export class RecurrentGroup implements StateGroup {
  #length = 0;
  /** Snapshots in ascending order of length. */
  #snapshots: readonly Snapshot[] = [];
  /** True if the state covers the first `length` tokens; false before the first token, and while layers run. */
  #whole = false;
  /** True if the state's memory has been written and not returned since. */
  #resident = false;

  constructor(
    readonly cache: KvRows,
    readonly layers: LayerRange,
  ) {}

  get length(): number {
    return this.#length;
  }

  isFresh(): boolean {
    return true;
  }

  begin(): void {
    if (this.#length === 0) for (const layer of this.#layers) this.cache.state(layer).fill(0);
    this.#whole = false;
    this.#resident = true;
  }

  grow(positions: ArrayLike<number>): void {
    this.#length += positions.length;
    this.#whole = true;
  }

  mark(): void {
    if (this.#snapshots.at(-1)?.end === this.#length) return;
    const states = new Map(this.#layers.map((layer) => [layer, this.cache.state(layer).slice()]));
    this.#snapshots = thinned([...this.#snapshots, { end: this.#length, states }]);
  }

  reusable(end: number): number {
    if (this.#whole && end >= this.#length) return this.#length;
    return this.#snapshot(end)?.end ?? 0;
  }

  truncate(end: number): number {
    const available = this.reusable(end);
    if (available === this.#length && this.#whole) return available;
    this.#restore(this.#snapshot(available));
    this.#snapshots = this.#snapshots.filter((one) => one.end <= available);
    this.#length = available;
    this.#whole = available > 0;
    return available;
  }

  copy(from: RecurrentGroup, length: number): void {
    if (length === from.#length && from.#whole) this.cache.copyStates(from.cache, this.#layers);
    else this.#restore(from.#snapshot(length));
    this.#snapshots = from.#snapshots.filter((one) => one.end <= length);
    this.#length = length;
    this.#whole = length > 0;
    this.#resident ||= length > 0;
  }

  exchange(other: RecurrentGroup): void {
    this.cache.exchangeStates(other.cache, this.#layers);
    [this.#length, other.#length] = [other.#length, this.#length];
    [this.#snapshots, other.#snapshots] = [other.#snapshots, this.#snapshots];
    [this.#whole, other.#whole] = [other.#whole, this.#whole];
    this.#resident = other.#resident = this.#resident || other.#resident;
  }

  /** Frees all memory or none, because its size does not depend on the number of tokens. */
  trim(keep: number): void {
    if (keep > 0 || !this.#resident) return;
    this.cache.giveBackStates(this.#layers);
    this.#snapshots = [];
    this.#whole = this.#resident = false;
  }

  split(at: number): [RecurrentGroup, RecurrentGroup] {
    const { from, to } = this.layers;
    return [this.#part({ from, to: at }), this.#part({ from: at, to })];
  }

  #part(layers: LayerRange): RecurrentGroup {
    const part = new RecurrentGroup(this.cache, layers);
    const own = (states: Snapshot["states"]) => new Map(part.#layers.map((layer) => [layer, states.get(layer)!]));
    part.#length = this.#length;
    part.#snapshots = this.#snapshots.map(({ end, states }) => ({ end, states: own(states) }));
    part.#whole = this.#whole;
    part.#resident = this.#resident;
    return part;
  }

  join(deeper: readonly RecurrentGroup[]): RecurrentGroup {
    const groups = [this, ...deeper];
    const joined = new RecurrentGroup(this.cache, { from: this.layers.from, to: groups.at(-1)!.layers.to });
    joined.#length = this.#length;
    joined.#snapshots = this.#snapshots.map(({ end }, i) => ({
      end,
      states: new Map(groups.flatMap((group) => [...group.#snapshots[i]!.states])),
    }));
    joined.#whole = groups.every((group) => group.#whole);
    joined.#resident = groups.some((group) => group.#resident);
    return joined;
  }

  get bytes(): number {
    const states = this.#snapshots.length + (this.#resident ? 1 : 0);
    return states * stateBytes(this.cache.config, this.layers);
  }

  /** The last snapshot of at most `end` tokens. */
  #snapshot(end: number): Snapshot | undefined {
    return this.#snapshots.findLast((one) => one.end <= end);
  }

  /** Restores a snapshot's states; without a snapshot, the states are zeros, as before the first token. */
  #restore(snapshot: Snapshot | undefined): void {
    if (snapshot) for (const layer of this.#layers) this.cache.state(layer).set(snapshot.states.get(layer)!);
  }

  get #layers(): number[] {
    const { from, to } = this.layers;
    const all = Array.from({ length: to - from }, (_, i) => from + i);
    return all.filter((layer) => isRecurrent(this.cache.config, layer));
  }
}

/** The number of bytes of one sequence's states in these layers. */
export function stateBytes({ recurrent }: KvRows["config"], { from, to }: LayerRange): number {
  let floats = 0;
  for (let layer = from; layer < to; layer++) floats += recurrent?.(layer) ?? 0;
  return floats * bytesPerElement.f32;
}

/** If there are too many snapshots, removes the one nearest to its neighbours; the last is always kept. */
function thinned(snapshots: readonly Snapshot[]): readonly Snapshot[] {
  if (snapshots.length <= SNAPSHOTS) return snapshots;
  const gap = (i: number) => snapshots[i + 1]!.end - (snapshots[i - 1]?.end ?? 0);
  const gaps = snapshots.slice(0, -1).map((_, i) => gap(i));
  const least = gaps.indexOf(Math.min(...gaps));
  return snapshots.filter((_, i) => i !== least);
}
