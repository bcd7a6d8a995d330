import type { Cost } from "../graph/index.ts";
import { Lengths } from "../models/lengths.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, ViewSet } from "../runtime/buffer.ts";
import type { AttentionSaving } from "../savings/seams.ts";
import type { Meter } from "./meter.ts";
import type { Slot } from "./slot.ts";
import { cacheBinding, type StackOutput } from "./stack-buffers.ts";

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
  readonly #residuals: readonly Buffer[];
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
    this.#lengths = new Lengths(programs.decoder.config, 1, saving.chunk);
  }

  /** Runs the stack over the next chunk of a prompt of `prompt` tokens. */
  async extend(slot: Slot, tokens: readonly number[], prompt: number, meter: Meter): Promise<void> {
    const { layers } = this.#programs.decoder.config;
    const past = slot.tokens.length;
    new BigInt64Array(this.#ids.memory).set(tokens.map(BigInt));
    meter.insteadOfLayers(tokens.length, past);
    const start = this.#lengths.set(0, [past], tokens.length, [slot.stretched]);
    for (let layer = 0; layer < layers; layer++) {
      meter.part(await this.#before(layer, tokens.length), tokens.length, past);
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

  /** What the stack gave for `count` tokens of the last chunk from `first` on. */
  output(first: number, count: number): StackOutput {
    const { layers, hidden, heads, headSize } = this.#programs.decoder.config;
    const width = heads * headSize;
    return {
      attended: this.#attended.view([1, count, width], first * width),
      residual: this.#residuals[layers % 2]!.view([1, count, hidden], first * hidden),
    };
  }

  /** Runs what leads to a layer's attention; returns what it cost. */
  async #before(layer: number, tokens: number): Promise<Cost> {
    const wide = [1, tokens, this.#programs.decoder.config.hidden];
    const program = await this.#programs.before(layer);
    const bound = program.bind({
      ids: this.#ids.view([1, tokens]),
      // The residual is read from one buffer and written to the other, turn and turn about.
      residual: this.#residuals[layer % 2]!.view(wide),
      residualOut: this.#residuals[(layer + 1) % 2]!.view(wide),
      ...this.#views(tokens),
    });
    await bound.run();
    return program.cost;
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
    const wide = [this.#qkv, this.#attended, ...this.#residuals];
    for (const held of [this.#ids, ...wide, this.#lengths]) held[Symbol.dispose]();
  }
}
