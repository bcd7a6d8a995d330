import type { Decoder } from "../models/decoder.ts";
import { DecoderPrograms } from "../models/programs.ts";
import type { AttentionSaving } from "../savings/seams.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import type { Meter } from "./meter.ts";
import { SeamPrefill } from "./seam-prefill.ts";
import { PREFILL_CHUNK, Slot } from "./slot.ts";

/** Slots that are kept after use, for the prefix of the next turn. */
const KEPT_SLOTS = 4;

/** Runs a model for its sequences: slots, prefill in chunks, decode steps. */
export class Engine implements Disposable {
  readonly #slots: Slot[] = [];
  #disposed = false;
  /** Fills the attention seam; undefined runs dense. */
  readonly attention: AttentionSaving | undefined;

  private constructor(
    readonly programs: DecoderPrograms,
    attention: AttentionSaving | undefined,
  ) {
    this.attention = attention;
  }

  static async create(decoder: Decoder, weights: Weights, attention?: AttentionSaving): Promise<Engine> {
    return new Engine(await DecoderPrograms.compile(decoder, weights), attention);
  }

  /** A free slot holding the longest prefix of `prompt`; all but its last token may be taken from the cache. */
  acquire(prompt: readonly number[]): Slot {
    this.#check();
    const free = this.#slots.filter((s) => !s.busy);
    const best = free.toSorted((a, b) => commonPrefix(b.tokens, prompt) - commonPrefix(a.tokens, prompt))[0];
    const reuse =
      best && (commonPrefix(best.tokens, prompt) > 0 || this.#slots.length >= KEPT_SLOTS) ? best : undefined;
    const slot = reuse ?? this.#add();
    slot.busy = true;
    slot.truncate(Math.min(commonPrefix(slot.tokens, prompt), prompt.length - 1));
    return slot;
  }

  release(slot: Slot): void {
    slot.busy = false;
    if (this.#disposed) {
      this.#free();
      return;
    }
    if (this.#slots.length <= KEPT_SLOTS) return;
    this.#slots.splice(this.#slots.indexOf(slot), 1);
    slot[Symbol.dispose]();
  }

  #check(): void {
    if (this.#disposed) throw new Error("a model was used after it was disposed");
  }

  #add(): Slot {
    const slot = new Slot(this.programs);
    this.#slots.push(slot);
    return slot;
  }

  /** Runs the part of `prompt` that is not in the slot's cache yet; returns the logits after its last token. */
  async prefill(slot: Slot, prompt: readonly number[], meter: Meter, signal?: AbortSignal): Promise<Float32Array> {
    if (this.attention?.wants(prompt.length)) return this.#prefillAtSeam(this.attention, slot, prompt, meter, signal);
    let tokens: readonly number[] = [];
    while (slot.tokens.length < prompt.length) {
      signal?.throwIfAborted();
      this.#check();
      const past = slot.tokens.length;
      tokens = prompt.slice(past, past + PREFILL_CHUNK);
      meter.layers(tokens.length, past);
      await slot.extend(tokens);
    }
    meter.head(1);
    return slot.logits(tokens.length);
  }

  async #prefillAtSeam(
    saving: AttentionSaving,
    slot: Slot,
    prompt: readonly number[],
    meter: Meter,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    using prefill = new SeamPrefill(this.programs, saving);
    let tokens: readonly number[] = [];
    while (slot.tokens.length < prompt.length) {
      signal?.throwIfAborted();
      this.#check();
      tokens = prompt.slice(slot.tokens.length, slot.tokens.length + saving.chunkAfter(slot.tokens.length));
      await prefill.extend(slot, tokens, prompt.length, meter);
    }
    meter.head(1);
    // Awaited here: the buffers that it reads are freed on return.
    return await slot.logitsOf(prefill.lastHidden(tokens.length));
  }

  /** One decode step; returns the logits after `token`. */
  async step(slot: Slot, token: number, meter: Meter): Promise<Float32Array> {
    this.#check();
    meter.layers(1, slot.tokens.length);
    meter.head(1);
    await slot.extend([token]);
    return slot.logits(1);
  }

  /** Frees everything; requests that are under way end with an error first. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (this.#slots.some((s) => s.busy)) return;
    for (const slot of this.#slots) slot[Symbol.dispose]();
    this.#slots.length = 0;
    this.attention?.[Symbol.dispose]();
    this.programs[Symbol.dispose]();
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}
