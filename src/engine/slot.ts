import type { KvRows } from "../models/cache.ts";
import { Lengths } from "../models/lengths.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { Cached } from "./cached.ts";
import { chunkAfter, PREFILL_CHUNK } from "./chunk.ts";
import { type BoundStack, StackBuffers, type StackOutput } from "./stack-buffers.ts";

/** Lengths of runs for which the stack stays bound: each takes 50 kB, and prompts end in all of them. */
const KEPT_STACKS = 12;

/** One sequence's place in the engine: its row of a cache, and the buffers its programs are bound to. */
export class Slot extends Cached implements Disposable {
  busy = false;
  readonly #programs: DecoderPrograms;
  readonly #buffers: StackBuffers;
  readonly #lengths: Lengths;
  readonly #logits: Buffer;
  readonly #logitsMemory: Float32Array;
  /** By tokens, those used last at the end. */
  readonly #stacks = new Map<number, BoundStack>();

  constructor(programs: DecoderPrograms, cache: KvRows) {
    super(cache);
    this.#programs = programs;
    this.#buffers = new StackBuffers(programs, PREFILL_CHUNK);
    this.#lengths = new Lengths(programs.decoder.config, 1, PREFILL_CHUNK);
    this.#logits = new Buffer("f32", programs.decoder.config.vocabulary);
    this.#logitsMemory = new Float32Array(this.#logits.memory);
  }

  /** Runs the stack over the next tokens, at most PREFILL_CHUNK of them. */
  async extend(tokens: readonly number[]): Promise<void> {
    for (const [i, id] of tokens.entries()) this.#buffers.setId(i, id);
    const start = this.#lengths.set(0, [this.tokens.length], tokens.length, [this.stretched]);
    await this.#boundStack(tokens.length).run(start);
    this.grow(tokens, tokens.length === chunkAfter(this.#programs, this.tokens.length));
  }

  /** Logits [vocabulary] of one token, from what the stack gave for it. The memory is overwritten by the next call. */
  async logitsOf(output: StackOutput): Promise<Float32Array> {
    await this.#programs.head.bind({ ...output, logits: this.#logitsView() }).run();
    return this.#logitsMemory;
  }

  #logitsView(): View {
    return this.#logits.view([1, 1, this.#programs.decoder.config.vocabulary]);
  }

  /** What the stack gave for `tokens` of the last run's tokens, from `first` on. */
  output(tokens: number, first = 0): StackOutput {
    return this.#buffers.output(1, tokens, first);
  }

  #boundStack(tokens: number): BoundStack {
    const lengths = this.#lengths.views(0, 1, tokens);
    const bound = this.#stacks.get(tokens) ?? this.#buffers.bind({ cache: this.cache, tokens, at: 0, lengths });
    this.#stacks.delete(tokens);
    this.#stacks.set(tokens, bound);
    if (this.#stacks.size > KEPT_STACKS) this.#drop(...[...this.#stacks][0]!);
    return bound;
  }

  #drop(tokens: number, bound: BoundStack): void {
    this.#stacks.delete(tokens);
    bound[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const held of [this.#buffers, this.#lengths, this.#logits]) held[Symbol.dispose]();
  }
}
