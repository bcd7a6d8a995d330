import { bytesPerElement } from "../../graph/tensor.ts";
import { type DecoderConfig, headsOf, keepsKeys } from "../decoder/decoder.ts";
import type { KvRows } from "./cache.ts";
import { hasWindow, windowStart } from "./window-start.ts";

/**
 * The number of tokens that can be rolled back in a model with windows, if a prompt differs from the end of the cache:
 * layers keep this many tokens beyond the window. A chat's next turn often differs slightly from the generated answer.
 */
const TURN_BACK = 512;

/** The first token that layers with a window keep if a cache holds `length` tokens. */
export const firstKept = (config: DecoderConfig, length: number): number => windowStart(config, length - TURN_BACK);

/**
 * The state that some layers keep for one sequence between steps, with entries for the same tokens. Every kind of state
 * implements this.
 */
export interface StateGroup {
  readonly layers: LayerRange;
  /** The number of entries, one per token. */
  readonly length: number;
  /** The number of the first `end` tokens that can be reused: all available tokens, or 0 if needed entries are gone. */
  reusable(end: number): number;
  /** Truncates to the `reusable` entries; returns their number. */
  truncate(end: number): number;
  /** Replaces the contents with another sequence's first `length` tokens, which must be `reusable` there. */
  copy(from: StateGroup, length: number): void;
  /** Swaps the contents of two groups. */
  exchange(other: StateGroup): void;
  /** Called before the group's layers run on further tokens. */
  begin(): void;
  /** Records entries written for these positions. */
  grow(positions: ArrayLike<number>): void;
  /** Marks the tokens so far as a likely beginning of later sequences. */
  mark(): void;
  /** True if a new sequence of `length` tokens would hold the same entries. */
  isFresh(length: number): boolean;
  /** Frees everything after the first `keep` tokens. */
  trim(keep: number): void;
  /** Divides the group in two: the layers before `at`, and the others. */
  split(at: number): [StateGroup, StateGroup];
  /** Joins this group and the groups of deeper layers, if all hold the same entries. */
  join(deeper: readonly StateGroup[]): StateGroup;
  /** The number of bytes of written memory. */
  readonly bytes: number;
}

/** Layers `from` to `to` − 1. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Keys and values of some layers in one row of a cache: an entry for every token of the sequence, or only for tokens
 * that a cut kept. Layers with a window free keys that no later query sees.
 */
export class KvGroup implements StateGroup {
  #length = 0;
  /** The positions of the entries; undefined if they are 0, 1, 2 …. */
  #positions: number[] | undefined;
  /** The number of tokens whose memory was freed, in layers with a window. */
  #gone = 0;
  /**
   * The largest number of tokens written since memory was last returned; the memory of this many tokens is resident.
   */
  #written = 0;
  readonly #windowed: readonly number[];
  /** Layers without a window. */
  readonly #full: readonly number[];

  constructor(
    readonly cache: KvRows,
    readonly layers: LayerRange,
  ) {
    const all = Array.from({ length: layers.to - layers.from }, (_, i) => layers.from + i).filter((layer) =>
      keepsKeys(cache.config, layer),
    );
    this.#windowed = all.filter((layer) => hasWindow(cache.config, layer));
    this.#full = all.filter((layer) => !hasWindow(cache.config, layer));
  }

  get length(): number {
    return this.#length;
  }

  /** The position of an entry. */
  position(entry: number): number {
    return this.#positions?.[entry] ?? entry;
  }

  /** True if layers with a window have freed only what a new sequence of `length` tokens would free. */
  isFresh(length: number): boolean {
    return firstKept(this.cache.config, length) === this.#gone;
  }

  /** Does nothing, because entries after the last one are not read. */
  begin(): void {}

  /** Does nothing, because keys and values allow continuing from any prefix. */
  mark(): void {}

  /** Records entries written for these positions, and frees entries outside every window. */
  grow(positions: ArrayLike<number>): void {
    const last = positions[positions.length - 1];
    const gapless = this.#positions === undefined && last === this.#length + positions.length - 1;
    if (!gapless) this.#positions ??= Array.from({ length: this.#length }, (_, i) => i);
    if (this.#positions) for (let i = 0; i < positions.length; i++) this.#positions.push(positions[i]!);
    this.#length += positions.length;
    this.#written = Math.max(this.#written, this.#length);
    this.#letGo(firstKept(this.cache.config, this.#length));
  }

  #letGo(first: number): void {
    if (first <= this.#gone) return;
    if (this.#windowed.length > 0) this.cache.giveBack(this.#windowed, 0, first);
    this.#gone = first;
  }

  reusable(end: number): number {
    const tokens = this.#positions ? end : Math.min(this.#length, end);
    return windowStart(this.cache.config, this.#entries(tokens)) >= this.#gone ? tokens : 0;
  }

  /** The number of entries for the first `end` tokens. */
  #entries(end: number): number {
    const beyond = this.#positions ? this.#positions.findIndex((p) => p >= end) : end;
    return beyond < 0 ? this.#length : Math.min(this.#length, beyond);
  }

  truncate(end: number): number {
    const available = this.reusable(end);
    this.#length = this.#entries(available);
    const gapless = this.#length === 0 || this.position(this.#length - 1) === this.#length - 1;
    this.#positions = gapless ? undefined : this.#positions?.slice(0, this.#length);
    if (this.#length === 0) this.#gone = 0;
    return available;
  }

  copy(from: KvGroup, length: number): void {
    this.cache.copy(from.cache, this.#full, 0, length);
    this.cache.copy(from.cache, this.#windowed, from.#gone, length);
    this.#length = length;
    this.#positions = undefined;
    this.#letGo(from.#gone);
    this.#gone = from.#gone;
    this.#written = Math.max(this.#written, length);
  }

  exchange(other: KvGroup): void {
    const [end, gone] = [Math.max(this.#length, other.#length), Math.min(this.#gone, other.#gone)];
    this.cache.exchange(other.cache, this.#full, 0, end);
    this.cache.exchange(other.cache, this.#windowed, gone, end);
    [this.#length, other.#length] = [other.#length, this.#length];
    [this.#positions, other.#positions] = [other.#positions, this.#positions];
    [this.#gone, other.#gone] = [other.#gone, this.#gone];
    this.#written = Math.max(this.#written, end);
    other.#written = Math.max(other.#written, end);
  }

  trim(keep: number): void {
    if (this.#written <= keep) return;
    this.cache.giveBack([...this.#full, ...this.#windowed], keep, this.#written);
    this.#written = keep;
  }

  split(at: number): [KvGroup, KvGroup] {
    const { from, to } = this.layers;
    return [this.#part({ from, to: at }), this.#part({ from: at, to })];
  }

  #part(layers: LayerRange): KvGroup {
    const part = new KvGroup(this.cache, layers);
    part.#length = this.#length;
    part.#positions = this.#positions?.slice();
    part.#gone = this.#gone;
    part.#written = this.#written;
    return part;
  }

  join(deeper: readonly KvGroup[]): KvGroup {
    const groups = [this, ...deeper];
    const joined = new KvGroup(this.cache, { from: this.layers.from, to: groups.at(-1)!.layers.to });
    joined.#length = Math.min(...groups.map((group) => group.#length));
    joined.#gone = Math.max(...groups.map((group) => group.#gone));
    joined.#written = Math.max(...groups.map((group) => group.#written));
    return joined;
  }

  get bytes(): number {
    return kvBytes(this.cache.config, this.layers, this.#written, this.#gone);
  }
}

/** Bytes of keys and values for `tokens` tokens in these layers; layers with a window have freed `gone` of them. */
export function kvBytes(config: DecoderConfig, { from, to }: LayerRange, tokens: number, gone = 0): number {
  let floats = 0;
  for (let layer = from; layer < to; layer++) {
    if (!keepsKeys(config, layer)) continue;
    const { kvHeads, headSize } = headsOf(config, layer);
    floats += 2 * kvHeads * headSize * (hasWindow(config, layer) ? tokens - gone : tokens);
  }
  return floats * bytesPerElement.f32;
}
