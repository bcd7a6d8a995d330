import { Lengths } from "../../models/lengths.ts";
import { ViewSet } from "../../runtime/buffer.ts";
import type { Plan } from "../../savings/plan.ts";
import type { Slot } from "../state/slot.ts";
import { type Chunk, type ChunkJob, tailOf } from "./chunk-run.ts";
import { cacheBinding, type Span, StackBuffers } from "./stack-buffers.ts";

/**
 * Runs chunks layer by layer with the attention seam open: between the pieces of the stack, a saving does a layer's attention its own way.
 * Buffers live as long as one prompt, since they are wide and few prompts need them.
 */
export class SeamChunks implements Disposable {
  readonly buffers: StackBuffers;
  readonly lengths: Lengths;

  /** For chunks of at most `capacity` tokens. */
  constructor(
    slot: Slot,
    private readonly attention: Plan["attention"],
    capacity: number,
  ) {
    this.buffers = new StackBuffers(slot.programs, capacity);
    this.lengths = new Lengths(slot.programs.decoder.config, 1, capacity);
  }

  /** `total`: all tokens that reach these layers; `whole`: the prompt's tokens. */
  async run(job: ChunkJob, { total, whole }: { total: number; whole: number }): Promise<Chunk> {
    const { slot, layers, positions } = job;
    const done = job.done + 1;
    const { programs } = slot;
    const { heads, kvHeads, headSize, layers: depth } = programs.decoder.config;
    const tokens = positions.length;
    const span: Span = { rows: 1, tokens, at: 0 };
    for (let layer = layers.from; layer < layers.to; layer++) {
      await this.#lead(job, layer, span);
      await this.#attend(job, layer, span, { total, whole });
    }
    for (const group of slot.groupsOf(layers)) group.grow(positions);
    const pieces = layers.to - layers.from;
    if (layers.to < depth) await this.#leave(job, span, pieces);
    const width = (heads + 2 * kvHeads) * headSize;
    return {
      ...{ tokens, buffers: this.buffers, done },
      rows: (first, count) => tailOf(programs, this.buffers, { rows: 1, tokens: count, at: first }, done, pieces),
      qkv: async () => this.buffers.qkv.view([1, 1, width], (tokens - 1) * width),
    };
  }

  #qkv({ slot }: ChunkJob, { tokens }: Span) {
    const { heads, kvHeads, headSize } = slot.programs.decoder.config;
    return this.buffers.qkv.view([1, tokens, (heads + 2 * kvHeads) * headSize]);
  }

  /** Runs the steps that lead to a layer's attention. */
  async #lead(job: ChunkJob, layer: number, span: Span): Promise<void> {
    const { slot, layers, meter } = job;
    const pieces = layer - layers.from;
    const program = await (pieces === 0 ? slot.programs.before(layer) : slot.programs.between(layer));
    const binding = { ...this.buffers.stream(job.done, span), ...this.buffers.attendedViews(span, pieces) };
    await program.bind({ ...binding, qkv: this.#qkv(job, span) }).run();
    meter.part(program.cost, span.tokens, slot.group(layer).length);
  }

  async #attend(job: ChunkJob, layer: number, span: Span, of: { total: number; whole: number }): Promise<void> {
    const { slot, positions, meter } = job;
    const { length: past } = slot.group(layer);
    const start = this.lengths.set(0, [slot.placeIn(slot.group(layer), positions)], span.tokens);
    const dense = () => this.#dense(job, layer, span, start);
    const saving = this.attention(layer);
    if (!saving) return dense();
    await saving.attend({
      ...{ layer, past, tokens: span.tokens, prompt: of.total, whole: of.whole },
      ...{ positions: this.lengths.positions, qkv: this.buffers.qkv, attended: this.buffers.attended },
      ...{ cache: slot.cache, bill: meter, dense },
    });
  }

  async #dense(job: ChunkJob, layer: number, span: Span, start: number): Promise<void> {
    const { slot, meter } = job;
    const program = await slot.programs.attention(layer);
    using views = new ViewSet();
    const cache = cacheBinding(slot.cache.from(layer, start, views), "");
    const lengths = this.lengths.views(0, 1, span.tokens);
    await program.bind({ ...this.buffers.attendedViews(span), ...lengths, ...cache, qkv: this.#qkv(job, span) }).run();
    meter.part(program.cost, span.tokens, slot.group(layer).length);
  }

  /** Runs the rest after the last attention before a cut. */
  async #leave({ slot, layers, done, meter }: ChunkJob, span: Span, pieces: number): Promise<void> {
    const program = await slot.programs.after(layers.to - 1);
    await program
      .bind({ ...this.buffers.attendedViews(span, pieces), ...this.buffers.streamOut(done + 1, span) })
      .run();
    meter.part(program.cost, span.tokens, 0);
  }

  [Symbol.dispose](): void {
    this.buffers[Symbol.dispose]();
    this.lengths[Symbol.dispose]();
  }
}
