import type { KvRows } from "../models/cache.ts";
import type { DecoderConfig } from "../models/decoder.ts";
import { Lengths } from "../models/lengths.ts";
import { nearStart } from "../models/near.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { StackBuffers } from "./stack-buffers.ts";

/** Tokens of a prompt that run at once: wide enough for the matrix products, narrow enough for attention's scratch. */
export const PREFILL_CHUNK = 256;

/**
 * Tokens by which a prompt may differ from the end of what is in the cache, and still go on from what they share, in a model with windows:
 * so much more than a window is kept. A chat's next turn often differs a little from the answer that was generated.
 */
const TURN_BACK = 512;

/** The first token that layers with a window keep in a cache of `length` tokens. */
export const firstKept = (config: DecoderConfig, length: number): number => nearStart(config, length - TURN_BACK);

/** One sequence's place in the engine: its row of a cache, and the buffers its programs are bound to. */
export class Slot implements Disposable {
  /** Tokens whose keys and values are in the cache. */
  tokens: number[] = [];
  busy = false;
  readonly cache: KvRows;
  readonly #programs: DecoderPrograms;
  readonly #buffers: StackBuffers;
  readonly #lengths: Lengths;
  readonly #logits: Buffer;
  readonly #logitsMemory: Float32Array;
  readonly #stacks = new Map<number, (start: number) => Promise<void>>();
  /** Tokens whose memory was given back, in layers with a window. */
  #gone = 0;

  constructor(programs: DecoderPrograms, cache: KvRows) {
    this.#programs = programs;
    this.cache = cache;
    this.#buffers = new StackBuffers(programs, PREFILL_CHUNK);
    this.#lengths = new Lengths(programs.decoder.config, 1, PREFILL_CHUNK);
    this.#logits = new Buffer("f32", programs.decoder.config.vocabulary);
    this.#logitsMemory = new Float32Array(this.#logits.memory);
  }

  /** Runs the whole stack over the next tokens, at most PREFILL_CHUNK of them. */
  async extend(tokens: readonly number[]): Promise<void> {
    for (const [i, id] of tokens.entries()) this.#buffers.setId(i, id);
    const start = this.#lengths.set(0, [this.tokens.length], tokens.length);
    await this.#boundStack(tokens.length)(start);
    this.grow(tokens);
  }

  /** Notes tokens whose keys and values were written into the cache, and gives back what no window will come to. */
  grow(tokens: readonly number[]): void {
    this.tokens.push(...tokens);
    const first = firstKept(this.cache.config, this.tokens.length);
    if (first > this.#gone) this.cache.giveBack(first);
    this.#gone = Math.max(this.#gone, first);
  }

  /** Logits [vocabulary] of one token, from what the stack gave for it, [1, 1, hidden]. The memory is overwritten by the next call. */
  async logitsOf(hidden: View): Promise<Float32Array> {
    await this.#programs.head.bind({ hidden, logits: this.#logitsView() }).run();
    return this.#logitsMemory;
  }

  #logitsView(): View {
    return this.#logits.view([1, 1, this.#programs.decoder.config.vocabulary]);
  }

  hidden(tokens: number, row = 0): View {
    return this.#buffers.hidden(1, tokens, row);
  }

  /** Of the cache's first `length` tokens, those to go on from: all, or none where the windows after them were given back. */
  kept(length: number): number {
    const kept = Math.min(this.tokens.length, length);
    return nearStart(this.cache.config, kept) >= this.#gone ? kept : 0;
  }

  /** Cuts the cache back to its first `length` tokens, or what is kept of them. */
  truncate(length: number): void {
    this.tokens.length = this.kept(length);
    if (this.tokens.length === 0) this.#gone = 0;
  }

  #boundStack(tokens: number): (start: number) => Promise<void> {
    const lengths = this.#lengths.views(0, 1, tokens);
    const bind = () => this.#buffers.bind({ cache: this.cache, tokens, at: 0, lengths });
    const known = this.#stacks.get(tokens) ?? bind();
    this.#stacks.set(tokens, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const held of [this.#buffers, this.#lengths, this.#logits]) held[Symbol.dispose]();
  }
}
