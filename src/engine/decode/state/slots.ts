import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import { KvCache } from "../../../models/state/cache.ts";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import { Batch } from "../run/batch.ts";
import { CacheRow, SPARE } from "./cached.ts";
import type { Slot } from "./slot.ts";

/** The default limit for keys and values kept for later prompts, in bytes. */
const KEPT_BYTES = 256 * 2 ** 20;

/**
 * The minimum number of shared tokens for which copying them from another row beats running them again: copying a token
 * costs a hundredth of running it, plus a few calls per layer.
 */
export const WORTH_COPYING = 8;

/**
 * The maximum number of tokens that two rows hold together if they are exchanged: up to this, the exchange takes less
 * time than a few steps of a separate row.
 */
const WORTH_MOVING = 2048;

/** The key of a plan's state; undefined for state that is never reused. */
type StateKey = string | undefined;

/** A sequence whose row was given to another sequence, stored in a cache of its own length. */
class ShelvedRow extends CacheRow implements Disposable {
  readonly #own: KvCache;

  constructor(from: CacheRow) {
    const cache = new KvCache(from.cache.config, 1, from.tokens.length);
    super(cache);
    this.#own = cache;
    this.hold(from);
  }

  /** Copies the contents of `from` into this row. */
  hold(from: CacheRow): void {
    this.used = from.used;
    this.copy(from, from.tokens.length);
    this.trim(from.tokens.length);
  }

  [Symbol.dispose](): void {
    this.#own[Symbol.dispose]();
  }
}

/**
 * Rows for sequences, and the prefix cache: a sequence begins with the longest prefix of its prompt in any row,
 * including busy ones, or on the shelf. The most recently used keys and values of ended sequences are kept, within a
 * limit.
 */
export class Slots implements Disposable {
  readonly #batches: Batch[] = [];
  #shelf: ShelvedRow[] = [];
  #clock = 0;
  /** The maximum number of bytes kept for ended sequences; the last sequence is kept in any case. */
  limit = KEPT_BYTES;

  constructor(private readonly programs: DecoderPrograms) {}

  get batches(): readonly Batch[] {
    return this.#batches;
  }

  /** Bytes kept for ended sequences. */
  get keptBytes(): number {
    return this.#reusable().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The number of bytes of all sequences, running or kept. */
  get bytes(): number {
    return [...this.#all(), ...this.#shelf].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The number of tokens in running sequences. */
  get busyTokens(): number {
    return this.#all().reduce((sum, { busy, tokens }) => sum + (busy ? tokens.length : 0), 0);
  }

  /** True if a sequence uses any of the slots. */
  get busy(): boolean {
    return this.#all().some((slot) => slot.busy);
  }

  /** The number of a prompt's tokens that `take` would reuse. */
  reusable(prompt: readonly number[], key: StateKey): number {
    return Math.max(0, ...[...this.#all(), ...this.#shelf].map((held) => held.reusable(prompt, key)));
  }

  /**
   * Returns a free row with as much of `prompt` as is stored anywhere under the key of a plan's state; the last token
   * always runs. `cuts`: the plan's cuts. A row on the device reuses only its own earlier contents.
   */
  take(prompt: readonly number[], key: StateKey, cuts: readonly number[] = [], onDevice = false): Slot {
    const slot = this.#beside(this.#choose(prompt, key, onDevice), cuts);
    const source = onDevice ? slot : longest([slot, ...this.#onHost(), ...this.#shelf], prompt, key);
    const shared = source.reusable(prompt, key);
    const copies = shared - slot.reusable(prompt, key) >= WORTH_COPYING;
    source.used = ++this.#clock;
    if (2 * slot.reusable(prompt, key) < slot.tokens.length) this.#shelve(slot, prompt.length + SPARE);
    if (copies) slot.copy(source, shared);
    else slot.truncate(slot.reusable(prompt, key));
    slot.trim(prompt.length);
    slot.busy = true;
    return slot;
  }

  release(slot: Slot): void {
    slot.busy = false;
    slot.settle();
    if (slot.tokens.length > 0) slot.used = ++this.#clock;
    // The first batch is never freed.
    const idle = this.#batches.slice(1).filter((batch) => batch.slots.every((s) => !s.busy));
    for (const batch of idle) this.#remove(batch);
    this.#bound();
  }

  /** Empties the cache, and frees its memory. */
  letGo(): void {
    for (const held of this.#reusable()) this.#drop(held);
  }

  /** Drops everything that is kept. */
  forget(): void {
    for (const slot of this.#free()) slot.truncate(0);
    for (const held of this.#shelf.splice(0)) held[Symbol.dispose]();
  }

  /**
   * Returns the row whose reuse loses the least: the one that shares the most with the prompt, unless most of its
   * contents would be lost while there is room; otherwise, the least recently used row.
   */
  #choose(prompt: readonly number[], key: StateKey, onDevice: boolean): Slot {
    const free = this.#free().filter((slot) => slot.onDevice === onDevice);
    const best = longest(free, prompt, key);
    if (!best) return this.#add(onDevice).slots[0]!;
    const roomy = 2 * best.reusable(prompt, key) < best.tokens.length && this.keptBytes < this.limit;
    return (roomy ? free.find((slot) => slot.tokens.length === 0) : undefined) ?? best;
  }

  /**
   * Returns the slot, or moves its contents to one with more busy neighbours, because adjacent rows step as one batch,
   * at half the cost of separate rows. Neighbours with the same cuts stay adjacent up to the last layer.
   */
  #beside(slot: Slot, cuts: readonly number[]): Slot {
    const { slots } = this.#batches.find((batch) => batch.slots.includes(slot))!;
    const worth = (other: Slot | undefined) => (!other?.busy ? 0 : other.borders.join() === cuts.join() ? 2 : 1);
    const at = (one: Slot) => worth(slots[slots.indexOf(one) - 1]) + worth(slots[slots.indexOf(one) + 1]);
    const best = slots.filter((one) => !one.busy).reduce((a, b) => (at(b) > at(a) ? b : a), slot);
    if (best === slot || slot.tokens.length + best.tokens.length > WORTH_MOVING) return slot;
    best.exchange(slot);
    return best;
  }

  /** Shelves a row's contents, which `coming` tokens will replace, unless another row stores most of them. */
  #shelve(slot: Slot, coming = 0): void {
    if (slot.onDevice) return;
    const others = [...this.#onHost(), ...this.#shelf].filter((held) => held !== slot);
    const elsewhere = Math.max(0, ...others.map((held) => held.shares(slot)));
    if (2 * elsewhere >= slot.tokens.length || slot.bytes >= this.limit) return;
    const next = this.#nextToGo(coming);
    // Writing to used memory takes a fraction of the time of writing to fresh memory.
    if (next && next.used < slot.used && next.cache.capacity >= slot.tokens.length) next.hold(slot);
    else this.#shelf.push(new ShelvedRow(slot));
  }

  /** The sequence to drop from the shelf to make room for `coming` tokens, if any. */
  #nextToGo(coming: number): ShelvedRow | undefined {
    const bytes = sequenceBytes(this.programs.decoder.config, coming);
    if (this.keptBytes + bytes <= this.limit) return undefined;
    return this.#shelf.toSorted((a, b) => a.used - b.used)[0];
  }

  /** Drops the least recently used sequences until the rest is within the limit. */
  #bound(): void {
    for (const held of this.#reusable()
      .toSorted((a, b) => a.used - b.used)
      .slice(0, -1)) {
      if (this.keptBytes <= this.limit) return;
      this.#drop(held);
    }
  }

  #drop(held: Slot | ShelvedRow): void {
    held.drop();
    if (held instanceof ShelvedRow) held[Symbol.dispose]();
    this.#shelf = this.#shelf.filter((other) => other !== held);
  }

  #remove(batch: Batch): void {
    for (const slot of batch.slots) this.#shelve(slot);
    this.#batches.splice(this.#batches.indexOf(batch), 1);
    batch[Symbol.dispose]();
  }

  #all(): Slot[] {
    return this.#batches.flatMap((batch) => batch.slots);
  }

  /** Slots whose keys and values can be copied. */
  #onHost(): Slot[] {
    return this.#all().filter((slot) => !slot.onDevice);
  }

  #free(): Slot[] {
    return this.#all().filter((slot) => !slot.busy);
  }

  #reusable(): (Slot | ShelvedRow)[] {
    return [...this.#free(), ...this.#shelf].filter((held) => held.bytes > 0);
  }

  #add(onDevice: boolean): Batch {
    const batch = new Batch(this.programs, onDevice);
    this.#batches.push(batch);
    return batch;
  }

  [Symbol.dispose](): void {
    this.forget();
    for (const batch of this.#batches.splice(0)) batch[Symbol.dispose]();
  }
}

/** The sequence that shares the most with the prompt; ties go to the least recently used. */
function longest<H extends CacheRow>(held: readonly [H, ...H[]], prompt: readonly number[], key: StateKey): H;
function longest<H extends CacheRow>(held: readonly H[], prompt: readonly number[], key: StateKey): H | undefined;
function longest<H extends CacheRow>(held: readonly H[], prompt: readonly number[], key: StateKey): H | undefined {
  const shared = new Map(held.map((one) => [one, one.reusable(prompt, key)]));
  return held.toSorted((a, b) => shared.get(b)! - shared.get(a)! || a.used - b.used)[0];
}
