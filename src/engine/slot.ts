import type { KvRows } from "../models/cache.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { StackBuffers } from "./stack-buffers.ts";

/** Tokens of a prompt that run at once: wide enough for the matrix products, narrow enough for attention's scratch. */
export const PREFILL_CHUNK = 256;

/** One sequence's place in the engine: its row of a cache, and the buffers its programs are bound to. */
export class Slot implements Disposable {
  /** Tokens whose keys and values are in the cache. */
  tokens: number[] = [];
  busy = false;
  readonly cache: KvRows;
  readonly #programs: DecoderPrograms;
  readonly #buffers: StackBuffers;
  readonly #lengths = new Buffer("i32", 1);
  readonly #total = new Buffer("i32", 1);
  readonly #logits: Buffer;
  readonly #lengthsMemory = new Int32Array(this.#lengths.memory);
  readonly #totalMemory = new Int32Array(this.#total.memory);
  readonly #logitsMemory: Float32Array;
  readonly #stacks = new Map<number, () => Promise<void>>();

  constructor(programs: DecoderPrograms, cache: KvRows) {
    this.#programs = programs;
    this.cache = cache;
    this.#buffers = new StackBuffers(programs, PREFILL_CHUNK);
    this.#logits = new Buffer("f32", programs.decoder.config.vocabulary);
    this.#logitsMemory = new Float32Array(this.#logits.memory);
  }

  /** Runs the whole stack over the next tokens, at most PREFILL_CHUNK of them. */
  async extend(tokens: readonly number[]): Promise<void> {
    for (const [i, id] of tokens.entries()) this.#buffers.setId(i, id);
    this.setLength(tokens.length);
    await this.#boundStack(tokens.length)();
    this.tokens.push(...tokens);
  }

  /** Logits [vocabulary] of one token, from what the stack gave for it, [1, 1, hidden]. The memory is overwritten by the next call. */
  async logitsOf(hidden: View): Promise<Float32Array> {
    await this.#programs.head.bind({ hidden, logits: this.#logitsView() }).run();
    return this.#logitsMemory;
  }

  #logitsView(): View {
    return this.#logits.view([1, 1, this.#programs.decoder.config.vocabulary]);
  }

  /** Puts the cache's length after the next `tokens` tokens where programs are bound to. */
  setLength(tokens: number): void {
    const total = this.tokens.length + tokens;
    this.#lengthsMemory[0] = total - 1;
    this.#totalMemory[0] = total;
  }

  /** The views that `setLength` writes to. */
  lengths() {
    return { lengths: this.#lengths.view([1]), total: this.#total.view([]) };
  }

  hidden(tokens: number, row = 0): View {
    return this.#buffers.hidden(1, tokens, row);
  }

  /** Cuts the cache back to its first `length` tokens. */
  truncate(length: number): void {
    this.tokens.length = Math.min(this.tokens.length, length);
  }

  #boundStack(tokens: number): () => Promise<void> {
    const bind = () => this.#buffers.bind({ cache: this.cache, tokens, at: 0, ...this.lengths() });
    const known = this.#stacks.get(tokens) ?? bind();
    this.#stacks.set(tokens, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const held of [this.#buffers, this.#lengths, this.#total, this.#logits]) held[Symbol.dispose]();
  }
}
