import type { Cost } from "../graph/index.ts";
import { Lengths } from "../models/lengths.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View, ViewSet } from "../runtime/buffer.ts";
import type { AttentionSaving } from "../savings/seams.ts";
import type { Meter } from "./meter.ts";
import type { Slot } from "./slot.ts";
import { cacheBinding } from "./stack-buffers.ts";

/**
 * Prefill with the attention seam open: between the pieces of the stack, a saving does each layer's attention its own way.
 * Buffers live as long as one prompt, since they are wide and few prompts need them.
 */
export class SeamPrefill implements Disposable {
  readonly #programs: DecoderPrograms;
  readonly #saving: AttentionSaving;
  readonly #ids: Buffer;
  readonly #qkv: Buffer;
  readonly #attended: Buffer;
  readonly #residuals: readonly [Buffer, Buffer];
  readonly #hidden: Buffer;
  readonly #lengths: Lengths;

  constructor(programs: DecoderPrograms, saving: AttentionSaving) {
    const { hidden, heads, kvHeads, headSize } = programs.decoder.config;
    const wide = (width: number) => new Buffer("f32", saving.chunk * width);
    this.#programs = programs;
    this.#saving = saving;
    this.#ids = new Buffer("i64", saving.chunk);
    this.#qkv = wide((heads + 2 * kvHeads) * headSize);
    this.#attended = wide(heads * headSize);
    this.#residuals = [wide(hidden), wide(hidden)];
    this.#hidden = wide(hidden);
    this.#lengths = new Lengths(programs.decoder.config, 1, saving.chunk);
  }

  /** Runs the stack over the next chunk of a prompt of `prompt` tokens. */
  async extend(slot: Slot, tokens: readonly number[], prompt: number, meter: Meter): Promise<void> {
    const { layers } = this.#programs.decoder.config;
    const past = slot.tokens.length;
    new BigInt64Array(this.#ids.memory).set(tokens.map(BigInt));
    meter.insteadOfLayers(tokens.length, past);
    const start = this.#lengths.set(0, [past], tokens.length, [slot.stretched]);
    for (let layer = 0; layer <= layers; layer++) {
      await this.#piece(layer, tokens.length);
      meter.part((await this.#programs.between(layer)).cost, tokens.length, past);
      if (layer === layers) break;
      await this.#saving.attend({
        layer,
        past,
        prompt,
        tokens: tokens.length,
        cache: slot.cache,
        bill: meter,
        qkv: this.#qkv,
        attended: this.#attended,
        dense: async () => meter.part(await this.#dense(slot, layer, tokens.length, start), tokens.length, past),
      });
    }
    slot.grow(tokens);
  }

  /** Returns what it cost. */
  async #dense(slot: Slot, layer: number, tokens: number, start: number): Promise<Cost> {
    const program = await this.#programs.attention(layer);
    using views = new ViewSet();
    const cache = cacheBinding(slot.cache.from(layer, start, views), "");
    await program.bind({ ...this.#views(tokens), ...cache }).run();
    return program.cost;
  }

  /** What the stack gave for `count` tokens of the last chunk from `first` on, [1, count, hidden]. */
  hidden(first: number, count: number): View {
    const { hidden } = this.#programs.decoder.config;
    return this.#hidden.view([1, count, hidden], first * hidden);
  }

  async #piece(layer: number, tokens: number): Promise<void> {
    const { hidden } = this.#programs.decoder.config;
    // The residual is read from one buffer and written to the other, turn and turn about.
    const [residual, residualOut] = layer % 2 === 0 ? this.#residuals : this.#residuals.toReversed();
    const wide = [1, tokens, hidden];
    const program = await this.#programs.between(layer);
    const bound = program.bind({
      ids: this.#ids.view([1, tokens]),
      residual: residual!.view(wide),
      residualOut: residualOut!.view(wide),
      hidden: this.#hidden.view(wide),
      ...this.#views(tokens),
    });
    await bound.run();
  }

  #views(tokens: number) {
    const { heads, kvHeads, headSize } = this.#programs.decoder.config;
    return {
      qkv: this.#qkv.view([1, tokens, (heads + 2 * kvHeads) * headSize]),
      attended: this.#attended.view([1, tokens, heads * headSize]),
      ...this.#lengths.views(0, 1, tokens),
    };
  }

  [Symbol.dispose](): void {
    const wide = [this.#qkv, this.#attended, ...this.#residuals, this.#hidden];
    for (const held of [this.#ids, ...wide, this.#lengths]) held[Symbol.dispose]();
  }
}
