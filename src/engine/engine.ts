import type { Decoder } from "../models/decoder.ts";
import { DecoderPrograms } from "../models/programs.ts";
import type { SharedWeights } from "../runtime/shared-weights.ts";
import type { AttentionSaving } from "../savings/seams.ts";
import { UserError } from "../util/errors.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import { chunkAfter } from "./chunk.ts";
import type { Meter } from "./meter.ts";
import type { PromptScores } from "./prompt-scores.ts";
import { SeamPrefill } from "./seam-prefill.ts";
import type { Slot } from "./slot.ts";
import { Slots } from "./slots.ts";
import type { StackOutput } from "./stack-buffers.ts";

/** A sequence's part in a decode step. */
export interface Step {
  readonly slot: Slot;
  readonly token: number;
  readonly meter: Meter;
}

/** Some tokens of a prompt that were run together. */
export interface Run {
  readonly tokens: number;
  /** What the stack gave for `count` of them from `first` on; overwritten by the next run. */
  rows(first: number, count: number): StackOutput;
}

/** Runs a model for its sequences: slots, prefill in chunks, decode steps. */
export class Engine implements Disposable {
  readonly slots: Slots;
  #disposed = false;
  /** Fills the attention seam; undefined runs dense. */
  readonly attention: AttentionSaving | undefined;

  private constructor(
    readonly programs: DecoderPrograms,
    attention: AttentionSaving | undefined,
  ) {
    this.attention = attention;
    this.slots = new Slots(programs);
  }

  /**
   * `attention` makes what fills the seam once the model's weights are prepared: a saving's programs may use some of them, too. `shared` are
   * weights that it has together with other engines.
   */
  static async create(
    decoder: Decoder,
    weights: Weights,
    attention?: () => Promise<AttentionSaving | undefined>,
    shared?: SharedWeights,
  ): Promise<Engine> {
    const programs = await DecoderPrograms.compile(decoder, weights, shared);
    try {
      return new Engine(programs, await attention?.());
    } catch (error) {
      programs[Symbol.dispose]();
      throw error;
    }
  }

  /** A free slot that holds the longest prefix of `prompt` that is in any cache, but for its last token; without a prompt, nothing. */
  acquire(prompt: readonly number[] = []): Slot {
    this.#check();
    return this.slots.take(prompt);
  }

  /**
   * A free slot for a prompt that is to have the numbers and the bill of a run on a fresh engine: it begins with what is, to the bit, what the
   * prompt would compute, and is billed for it; what no prompt comes back to is not kept.
   */
  acquireAlone(prompt: readonly number[], meter: Meter): Slot {
    const shares = !this.attention?.wants(prompt.length) && this.slots.reusable(prompt) >= chunkAfter(this.programs, 0);
    if (!shares) this.forget();
    const slot = this.acquire(shares ? prompt : []);
    slot.truncate(slot.chunksOf(prompt));
    for (let past = 0; past < slot.tokens.length; past += chunkAfter(this.programs, past))
      meter.spare(chunkAfter(this.programs, past), past);
    return slot;
  }

  release(slot: Slot): void {
    this.slots.release(slot);
    if (this.#disposed) this.#free();
  }

  /** Empties the free slots, so that what comes next starts as on a fresh engine: its numbers and its bill are then its own. */
  forget(): void {
    this.slots.forget();
  }

  #check(): void {
    if (this.#disposed) throw new UserError("a model was used after it was disposed");
  }

  /** Runs the part of `prompt` that is not in the slot's cache yet; returns the logits after its last token. */
  async prefill(slot: Slot, prompt: readonly number[], meter: Meter, signal?: AbortSignal): Promise<Float32Array> {
    for await (const logits of this.chunks(slot, prompt, meter, signal)) if (logits) return logits;
    throw new Error("a prompt was prefilled that is in the cache already");
  }

  /** As `prefill`, a chunk at a time: the logits come after the last, undefined after others. `scores` reads each, too. */
  async *chunks(
    slot: Slot,
    prompt: readonly number[],
    meter: Meter,
    signal?: AbortSignal,
    scores?: PromptScores,
  ): AsyncGenerator<Float32Array | undefined> {
    for await (const run of this.runs(slot, prompt, meter, signal)) {
      if (scores) yield* scores.read(run);
      const { tokens, rows } = run;
      const last = slot.tokens.length === prompt.length;
      if (last) meter.head(1);
      yield last ? await slot.logitsOf(rows(tokens - 1, 1)) : undefined;
    }
  }

  /** Runs as `prefill` does, some tokens at a time, with what the stack gave for each. */
  runs(slot: Slot, prompt: readonly number[], meter: Meter, signal?: AbortSignal): AsyncGenerator<Run> {
    if (this.attention?.wants(prompt.length)) return this.#runsAtSeam(this.attention, slot, prompt, meter, signal);
    return this.denseRuns(slot, prompt, meter, signal);
  }

  /** As `runs`, whatever the recipe: for text that goes on after a prompt, as an answer's does. */
  async *denseRuns(slot: Slot, prompt: readonly number[], meter: Meter, signal?: AbortSignal): AsyncGenerator<Run> {
    slot.prepare(prompt.length);
    while (slot.tokens.length < prompt.length) {
      signal?.throwIfAborted();
      this.#check();
      const past = slot.tokens.length;
      const tokens = prompt.slice(past, past + chunkAfter(this.programs, past));
      meter.layers(tokens.length, past);
      await slot.extend(tokens);
      this.programs.dropTables();
      yield { tokens: tokens.length, rows: (first, count) => slot.output(count, first) };
    }
  }

  async *#runsAtSeam(
    saving: AttentionSaving,
    slot: Slot,
    prompt: readonly number[],
    meter: Meter,
    signal?: AbortSignal,
  ): AsyncGenerator<Run> {
    slot.prepare(prompt.length);
    using prefill = new SeamPrefill(this.programs, saving);
    while (slot.tokens.length < prompt.length) {
      signal?.throwIfAborted();
      this.#check();
      const past = slot.tokens.length;
      const tokens = prompt.slice(past, past + saving.chunkAfter(past));
      await prefill.extend(slot, tokens, prompt.length, meter);
      yield { tokens: tokens.length, rows: (first, count) => prefill.output(first, count) };
    }
  }

  /** One decode step; returns the logits after `token`. */
  async step(slot: Slot, token: number, meter: Meter): Promise<Float32Array> {
    return (await this.stepAll([{ slot, token, meter }]))[0]!;
  }

  /**
   * One decode step of several sequences together, of whatever lengths. Returns the logits [vocabulary] after each token, in the same
   * order; the memory is overwritten by the slot's next step. Each is billed what it would cost alone.
   */
  async stepAll(steps: readonly Step[]): Promise<Float32Array[]> {
    this.#check();
    for (const { slot, meter } of steps) {
      meter.layers(1, slot.tokens.length);
      meter.head(1);
    }
    const next = new Map(steps.map(({ slot, token }) => [slot, token]));
    const logits = new Map<Slot, Float32Array>();
    for (const batch of [...this.slots.batches])
      for (const [slot, row] of await batch.step(next)) logits.set(slot, row);
    return steps.map(({ slot }) => logits.get(slot)!);
  }

  /** Frees everything; requests that are under way end with an error first. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (this.slots.busy) return;
    this.slots[Symbol.dispose]();
    this.attention?.[Symbol.dispose]();
    this.programs[Symbol.dispose]();
  }
}
