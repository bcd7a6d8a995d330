import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import type { AttentionSaving } from "../savings/seams.ts";
import type { Meter } from "./meter.ts";
import type { Slot } from "./slot.ts";

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
  }

  /** Runs the stack over the next chunk of a prompt of `prompt` tokens. */
  async extend(slot: Slot, tokens: readonly number[], prompt: number, meter: Meter): Promise<void> {
    const { layers } = this.#programs.decoder.config;
    const past = slot.tokens.length;
    new BigInt64Array(this.#ids.memory).set(tokens.map(BigInt));
    meter.insteadOfLayers(tokens.length, past);
    slot.setLength(tokens.length);
    for (let layer = 0; layer <= layers; layer++) {
      await this.#piece(slot, layer, tokens.length);
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
        dense: () => this.#dense(slot, layer, tokens, past, meter),
      });
    }
    slot.tokens.push(...tokens);
  }

  async #dense(slot: Slot, layer: number, tokens: readonly number[], past: number, meter: Meter): Promise<void> {
    const program = await this.#programs.attention(layer);
    const { key, value } = slot.cache.layer(layer);
    const cache = { pastKey: key, presentKey: key, pastValue: value, presentValue: value };
    await program.bind({ ...this.#views(tokens.length), ...cache, ...slot.lengths() }).run();
    meter.part(program.cost, tokens.length, past);
  }

  /** What the stack gave for `count` tokens of the last chunk from `first` on, [1, count, hidden]. */
  hidden(first: number, count: number): View {
    const { hidden } = this.#programs.decoder.config;
    return this.#hidden.view([1, count, hidden], first * hidden);
  }

  async #piece(slot: Slot, layer: number, tokens: number): Promise<void> {
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
      ...slot.lengths(),
    });
    await bound.run();
  }

  #views(tokens: number) {
    const { heads, kvHeads, headSize } = this.#programs.decoder.config;
    return {
      qkv: this.#qkv.view([1, tokens, (heads + 2 * kvHeads) * headSize]),
      attended: this.#attended.view([1, tokens, heads * headSize]),
    };
  }

  [Symbol.dispose](): void {
    for (const b of [this.#ids, this.#qkv, this.#attended, ...this.#residuals, this.#hidden]) b[Symbol.dispose]();
  }
}
