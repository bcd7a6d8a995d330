import type { DecoderConfig } from "../../../models/decoder/decoder.ts";
import type { KvRows } from "../../../models/state/cache.ts";
import type { StateGroup } from "../../../models/state/kv-group.ts";
import { groupOf } from "../../../models/state/state-groups.ts";

/** True if a sequence of `length` tokens uses the long rope factors. */
export const usesLongRope = ({ longRopeBeyond = Number.POSITIVE_INFINITY }: DecoderConfig, length: number): boolean =>
  length > longRopeBeyond;

/** The number of answer tokens whose memory a row keeps between sequences, because allocating it again costs more. */
export const SPARE = 64;

/** Tokens whose state is in one row of a cache, tracked per group of layers that hold entries for the same tokens. */
export class CacheRow {
  tokens: number[] = [];
  /** Ordered by depth; a single group, unless a plan divides the row's layers. */
  groups: readonly StateGroup[];
  /** True if the keys were rotated with the long rope factors. */
  longRope = false;
  /** The time of the last use, on the owner's clock. */
  used = 0;
  /** The number of leading tokens that other sequences may reuse; all of them if undefined. */
  #offered: number | undefined;
  /** The ends of the chunks that ran whole and densely, one after another from the first token on. */
  #ends: number[] = [];
  /** For each token, the key of the plan that wrote it. */
  #keys: (string | undefined)[] = [];

  constructor(readonly cache: KvRows) {
    this.groups = [groupOf(cache)];
  }

  /** The group of a layer. */
  group(layer: number): StateGroup {
    return this.groups.find(({ layers: { from, to } }) => layer >= from && layer < to)!;
  }

  /** Lets the layers from `at` on hold entries for different tokens than the layers before. */
  split(at: number): void {
    this.groups = splitAt(this.groups, at);
  }

  /** Offers only the first `length` tokens to other sequences; the rest is dropped when the sequence ends. */
  offerOnly(length: number): void {
    this.#offered = Math.min(length, this.#offered ?? length);
  }

  /** Ends the sequence; tokens that other sequences may reuse are kept. */
  settle(): void {
    this.truncate(this.#offered ?? this.tokens.length);
    if (this.groups.length > 1) this.groups = [joined(this.groups)];
    this.#offered = undefined;
  }

  /**
   * Records tokens added to the row, under the key of a plan's state; each group records them as they are written.
   * `whole`: a chunk of a dense prefill.
   */
  grow(tokens: readonly number[], key: string | undefined, whole = false): void {
    const follows = this.tokens.length === (this.#ends.at(-1) ?? 0);
    this.tokens.push(...tokens);
    if (!this.fits(this.tokens.length) && !this.longRope)
      throw new Error(`the cached keys use the rope factors of texts shorter than ${this.tokens.length} tokens`);
    if (whole && follows) this.#ends.push(this.tokens.length);
    for (const _ of tokens) this.#keys.push(key);
  }

  /**
   * The number of leading tokens, at most `length`, after which a sequence can continue: all of them, or those up to
   * the last snapshot of a recurrent layer, or 0 if the window before them was freed.
   */
  continuable(length: number): number {
    const most = Math.min(this.tokens.length, ...this.groups.map((group) => group.reusable(length)));
    return most === length ? most : this.continuable(most);
  }

  /** The number of a prompt's tokens, without the last, that need not run again. `key`: the plan's state key. */
  reusable(prompt: readonly number[], key: string | undefined): number {
    if (key === undefined || !this.fits(prompt.length)) return 0;
    const other = this.#keys.findIndex((own) => own !== key);
    return this.#offers(commonPrefix(this.tokens, prompt), prompt.length, other < 0 ? this.tokens.length : other);
  }

  /** The number of this row's leading tokens that another row's sequence could reuse. */
  shares(other: CacheRow): number {
    const { tokens } = other;
    if (!this.fits(tokens.length)) return 0;
    return this.#offers(commonPrefix(this.tokens, tokens), tokens.length, commonPrefix(this.#keys, other.#keys));
  }

  /** The number of tokens that a sequence of `length` may reuse: `common` are equal, `alike` have its plan's key. */
  #offers(common: number, length: number, alike: number): number {
    return this.continuable(Math.max(0, Math.min(common, alike, length - 1, this.#offered ?? common)));
  }

  /** True if a sequence of `length` tokens uses the same rope factors as the cached keys. */
  fits(length: number): boolean {
    return this.longRope === usesLongRope(this.cache.config, length);
  }

  /** Prepares for a sequence of `length` tokens: drops keys rotated with other factors. */
  prepare(length: number): void {
    if (this.fits(length)) return;
    this.truncate(0);
    this.longRope = !this.longRope;
  }

  /**
   * The part of `reusable` that ran as whole chunks of a dense prefill. Continuing from there is bit-equal to running
   * the prompt alone. It is 0 if a longer text has freed keys that the windows need.
   */
  chunksOf(prompt: readonly number[], key: string | undefined = ""): number {
    const reusable = this.reusable(prompt, key);
    const end = this.#ends.findLast((end) => end <= reusable) ?? 0;
    return this.groups.every((group) => group.isFresh(end)) ? end : 0;
  }

  /** The whole chunk that the sequence ends with, if all chunks before it ran whole. */
  get lastChunk(): { readonly first: number; readonly end: number } | undefined {
    const [first = 0, end] = [this.#ends.at(-2), this.#ends.at(-1)];
    return end === this.tokens.length ? { first, end } : undefined;
  }

  /** Adds a whole chunk whose state was read by `cache.read`. */
  restore(tokens: readonly number[], key: string | undefined, state: Uint8Array): void {
    const positions = tokens.map((_, i) => this.tokens.length + i);
    for (const group of this.groups) group.begin();
    this.cache.write(this.tokens.length, this.tokens.length + tokens.length, state);
    for (const group of this.groups) group.grow(positions);
    this.grow(tokens, key, true);
    this.mark();
  }

  /** Truncates the cache to its first `length` tokens, or to as many of them as are `continuable`. */
  truncate(length: number): void {
    const available = this.continuable(length);
    for (const group of this.groups) group.truncate(available);
    this.tokens.length = available;
    this.#ends = this.#ends.filter((end) => end <= available);
    this.#keys.length = available;
    if (available === 0) this.used = 0;
  }

  /** Marks the end of a prompt's chunk, from which later sequences may continue. */
  mark(): void {
    for (const group of this.groups) group.mark();
  }

  /** Frees memory that a longer sequence wrote, if it is large, before a sequence of `length` tokens begins. */
  trim(length: number): void {
    for (const group of this.groups) group.trim(Math.max(length, this.tokens.length) + SPARE);
  }

  /** Replaces the contents with another cache's first `length` tokens, all of which must be `continuable`. */
  copy(from: CacheRow, length: number): void {
    const parts = from.groups.slice(1).reduce((own, { layers }) => splitAt(own, layers.from), this.groups);
    for (const [i, part] of parts.entries()) part.copy(from.groups[i]!, length);
    this.groups = [joined(parts)];
    this.tokens = from.tokens.slice(0, length);
    this.longRope = from.longRope;
    this.#ends = from.#ends.filter((end) => end <= length);
    this.#keys = from.#keys.slice(0, length);
  }

  /** Swaps the contents of two caches. Neither has a running sequence. */
  exchange(other: CacheRow): void {
    for (const [i, group] of this.groups.entries()) group.exchange(other.groups[i]!);
    [this.tokens, other.tokens] = [other.tokens, this.tokens];
    [this.longRope, other.longRope] = [other.longRope, this.longRope];
    [this.#ends, other.#ends] = [other.#ends, this.#ends];
    [this.#keys, other.#keys] = [other.#keys, this.#keys];
    [this.used, other.used] = [other.used, this.used];
  }

  /** Empties the cache, and returns its memory to the system. */
  drop(): void {
    this.truncate(0);
    for (const group of this.groups) group.trim(0);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.groups.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

const joined = ([first, ...deeper]: readonly StateGroup[]): StateGroup => first!.join(deeper);

const splitAt = (groups: readonly StateGroup[], at: number): StateGroup[] =>
  groups.flatMap((group) => (group.layers.from < at && at < group.layers.to ? group.split(at) : [group]));

/** Length of the common prefix of two arrays. */
export function commonPrefix<T>(a: readonly T[], b: readonly T[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}
