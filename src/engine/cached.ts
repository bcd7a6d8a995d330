import { KvRows } from "../models/cache.ts";
import type { DecoderConfig } from "../models/decoder.ts";
import { nearStart } from "../models/near.ts";

/**
 * Tokens by which a prompt may differ from the end of what is in the cache, and still go on from what they share, in a model with windows:
 * so much more than a window is kept. A chat's next turn often differs a little from the answer that was generated.
 */
const TURN_BACK = 512;

/** The first token that layers with a window keep in a cache of `length` tokens. */
export const firstKept = (config: DecoderConfig, length: number): number => nearStart(config, length - TURN_BACK);

/** Whether a sequence of `length` tokens is rotated as one beyond `stretchedBeyond` is. */
export const stretches = ({ stretchedBeyond = Number.POSITIVE_INFINITY }: DecoderConfig, length: number): boolean =>
  length > stretchedBeyond;

/** Tokens for an answer, whose memory is not given back between two sequences of a row: to take it anew costs more than to keep it. */
export const SPARE = 64;

/** Tokens whose keys and values lie in one row of a cache. */
export class Cached {
  tokens: number[] = [];
  /** Whether they were rotated as those of a sequence beyond `stretchedBeyond` are. */
  stretched = false;
  /** When it was last used, on the clock of those who choose among several. */
  used = 0;
  /** Tokens whose memory was given back, in layers with a window. */
  #gone = 0;
  /** The most tokens that were written since memory was last given back: so many are resident. */
  #written = 0;
  /** Where whole chunks end that ran densely, one after the other from the first token on. */
  #ends: number[] = [];

  constructor(readonly cache: KvRows) {}

  /** Notes tokens whose keys and values were written into the cache, and gives back what no window will come to. `whole`: as a chunk of a dense prefill. */
  grow(tokens: readonly number[], whole = false): void {
    const follows = this.tokens.length === (this.#ends.at(-1) ?? 0);
    this.tokens.push(...tokens);
    if (!this.fits(this.tokens.length) && !this.stretched)
      throw new Error(`${this.tokens.length} tokens were rotated as a shorter sequence's are`);
    if (whole && follows) this.#ends.push(this.tokens.length);
    this.#written = Math.max(this.#written, this.tokens.length);
    const first = firstKept(this.cache.config, this.tokens.length);
    if (first > this.#gone) this.cache.giveBack(first);
    this.#gone = Math.max(this.#gone, first);
  }

  /** Of the cache's first `length` tokens, those to go on from: all, or none where the windows after them were given back. */
  kept(length: number): number {
    const kept = Math.min(this.tokens.length, length);
    return nearStart(this.cache.config, kept) >= this.#gone ? kept : 0;
  }

  /** Tokens of a prompt that need not run again after these; its last one always does. */
  reusable(prompt: readonly number[]): number {
    if (!this.fits(prompt.length)) return 0;
    return this.kept(Math.max(0, Math.min(commonPrefix(this.tokens, prompt), prompt.length - 1)));
  }

  /** Whether a sequence of `length` tokens is rotated as what is held. */
  fits(length: number): boolean {
    return this.stretched === stretches(this.cache.config, length);
  }

  /** Prepares for a sequence that will have `length` tokens: what was rotated otherwise is let go. */
  prepare(length: number): void {
    if (this.fits(length)) return;
    this.truncate(0);
    this.stretched = !this.stretched;
  }

  /**
   * Of `reusable`, what ran as whole chunks of a dense prefill, which any prompt runs that begins with them: to go on from there gives, to
   * the bit, what the prompt gives alone. None where a longer text before has let go of what windows would keep there.
   */
  chunksOf(prompt: readonly number[]): number {
    const reusable = this.reusable(prompt);
    const end = this.#ends.findLast((end) => end <= reusable) ?? 0;
    return firstKept(this.cache.config, end) === this.#gone ? end : 0;
  }

  /** Cuts the cache back to its first `length` tokens, or what is kept of them. */
  truncate(length: number): void {
    this.tokens.length = this.kept(length);
    this.#ends = this.#ends.filter((end) => end <= this.tokens.length);
    if (this.tokens.length > 0) return;
    this.#gone = 0;
    this.used = 0;
  }

  /** Gives back what a longer sequence had written, before one of `length` tokens begins, where it is much. */
  trim(length: number): void {
    const keep = Math.max(length, this.tokens.length) + SPARE;
    if (this.#written <= keep) return;
    this.cache.giveBackAll(keep, this.#written);
    this.#written = keep;
  }

  /** Holds the first `length` tokens of another, which are `kept` there, in place of its own. */
  copy(from: Cached, length: number): void {
    this.cache.copy(from.cache, from.#gone, length);
    this.tokens = from.tokens.slice(0, length);
    this.stretched = from.stretched;
    this.#ends = from.#ends.filter((end) => end <= length);
    if (from.#gone > this.#gone) this.cache.giveBack(from.#gone);
    this.#gone = from.#gone;
    this.#written = Math.max(this.#written, length);
  }

  /** Each then holds what the other did. */
  exchange(other: Cached): void {
    const [end, gone] = [Math.max(this.tokens.length, other.tokens.length), Math.min(this.#gone, other.#gone)];
    this.cache.exchange(other.cache, gone, end);
    [this.tokens, other.tokens] = [other.tokens, this.tokens];
    [this.stretched, other.stretched] = [other.stretched, this.stretched];
    [this.#ends, other.#ends] = [other.#ends, this.#ends];
    [this.used, other.used] = [other.used, this.used];
    [this.#gone, other.#gone] = [other.#gone, this.#gone];
    this.#written = Math.max(this.#written, end);
    other.#written = Math.max(other.#written, end);
  }

  /** Holds nothing, and gives its memory back to the system. */
  drop(): void {
    this.truncate(0);
    this.cache.giveBackAll(0, this.#written);
    this.#written = 0;
  }

  /** Of memory that was written. */
  get bytes(): number {
    return KvRows.bytes(this.cache.config, this.#written, this.#written - this.#gone);
  }
}

/** Tokens with which both begin. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}
