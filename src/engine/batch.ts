import { KvCache } from "../models/cache.ts";
import { Lengths } from "../models/lengths.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer } from "../runtime/buffer.ts";
import { isBrief, runChain } from "../runtime/chain.ts";
import { Slot } from "./slot.ts";
import { type BoundStack, StackBuffers } from "./stack-buffers.ts";

/** Sequences whose rows lie in one cache, and so decode together. Memory is taken as rows are written. */
export const BATCH_ROWS = 8;

interface Bound {
  readonly stack: BoundStack;
  readonly head: () => Promise<void>;
}

/**
 * Slots side by side in one cache. A decode step runs those that take part, adjacent ones as one batch; every buffer has a place for each
 * row, so that steps of other rows may be under way at the same time.
 */
export class Batch implements Disposable {
  readonly slots: readonly Slot[];
  readonly #programs: DecoderPrograms;
  readonly #cache: KvCache;
  readonly #buffers: StackBuffers;
  readonly #lengths: Lengths;
  readonly #logits: Buffer;
  readonly #bound = new Map<string, Bound>();

  constructor(programs: DecoderPrograms) {
    const { config } = programs.decoder;
    this.#programs = programs;
    const cache = new KvCache(config, BATCH_ROWS);
    this.#cache = cache;
    this.#buffers = new StackBuffers(programs, BATCH_ROWS);
    this.#lengths = new Lengths(config, BATCH_ROWS, 1);
    this.#logits = new Buffer("f32", BATCH_ROWS * config.vocabulary);
    this.slots = Array.from({ length: BATCH_ROWS }, (_, row) => new Slot(programs, cache.span(row, 1)));
  }

  /** One step of the slots in `next`, each with its token; logits [vocabulary] after it, overwritten by the slot's next step. */
  async step(next: ReadonlyMap<Slot, number>): Promise<Map<Slot, Float32Array>> {
    const spans = adjacent(this.slots.map((slot) => next.has(slot)));
    for (const { first, rows } of spans) await this.#run(first, rows, next);
    const stepped = spans.flatMap(({ first, rows }) => this.slots.slice(first, first + rows));
    return new Map(stepped.map((slot) => [slot, this.#logitsOf(slot)]));
  }

  async #run(first: number, rows: number, next: ReadonlyMap<Slot, number>): Promise<void> {
    const slots = this.slots.slice(first, first + rows);
    for (const [i, slot] of slots.entries()) this.#buffers.setId(first + i, next.get(slot)!);
    const pasts = slots.map((slot) => slot.tokens.length);
    const stretched = slots.map((slot) => slot.stretched);
    const { stack, head } = this.#boundTo(first, rows);
    await stack.run(this.#lengths.set(first, pasts, 1, stretched));
    for (const slot of slots) slot.grow([next.get(slot)!]);
    await head();
  }

  #logitsOf(slot: Slot): Float32Array {
    const { vocabulary } = this.#programs.decoder.config;
    return new Float32Array(this.#logits.memory, 4 * this.slots.indexOf(slot) * vocabulary, vocabulary);
  }

  #boundTo(first: number, rows: number): Bound {
    const key = `${first}+${rows}`;
    const known = this.#bound.get(key) ?? this.#bind(first, rows);
    this.#bound.set(key, known);
    return known;
  }

  #bind(first: number, rows: number): Bound {
    const { vocabulary } = this.#programs.decoder.config;
    const lengths = this.#lengths.views(first, rows, 1);
    const stack = this.#buffers.bind({ cache: this.#cache.span(first, rows), tokens: 1, at: first, lengths });
    const logits = this.#logits.view([rows, 1, vocabulary], first * vocabulary);
    const head = this.#programs.head.bind({ ...this.#buffers.output(rows, 1, first), logits });
    const brief = isBrief(head.program, { batch: rows, tokens: 1 });
    return { stack, head: () => runChain([head], brief) };
  }

  [Symbol.dispose](): void {
    const own = [this.#buffers, this.#lengths, this.#logits, this.#cache];
    for (const held of [...this.slots, ...own]) held[Symbol.dispose]();
  }
}

/** Runs of rows that take part. */
function adjacent(taking: readonly boolean[]): { first: number; rows: number }[] {
  const spans: { first: number; rows: number }[] = [];
  for (const [row, takes] of taking.entries()) {
    const last = spans.at(-1);
    if (takes && last && last.first + last.rows === row) last.rows++;
    else if (takes) spans.push({ first: row, rows: 1 });
  }
  return spans;
}
