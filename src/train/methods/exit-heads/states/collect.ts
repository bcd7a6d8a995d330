import { Meter } from "../../../../engine/bill/meter.ts";
import { PREFILL_CHUNK } from "../../../../engine/decode/run/chunk.ts";
import { embedTokens, tailOf } from "../../../../engine/decode/run/chunk-run.ts";
import type { Engine } from "../../../../engine/decode/run/engine.ts";
import type { Slot } from "../../../../engine/decode/state/slot.ts";
import { Buffer } from "../../../../runtime/buffer.ts";
import { toHalf } from "../../../../weights/gguf/half.ts";
import type { Corpus } from "../corpus.ts";
import { TEACHER_TOP } from "../options.ts";
import type { StateCache } from "./cache.ts";

/** The number of positions that the head reads at once. */
const HEAD_ROWS = 64;

/** The progress of one part of the work. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly of: number;
}

export interface CollectTerms {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Runs the rows missing from a cache through a model, with the programs that serve requests. Returns the FLOPs spent.
 */
export async function collectStates(
  engine: Engine,
  { blocks }: Corpus,
  cache: StateCache,
  { signal, onProgress }: CollectTerms,
): Promise<number> {
  const first = cache.begin(blocks.length);
  if (first === blocks.length) return 0;
  await engine.programs.prepareCuts(cache.layers);
  const slot = engine.acquireEmpty();
  // The layers are divided at the exits, where the stream is stored.
  for (const layer of cache.layers) slot.split(layer);
  try {
    using run = new StatesRun(slot, cache);
    for (let row = first; row < blocks.length; row++) {
      signal?.throwIfAborted();
      await run.row(row, blocks[row]!);
      onProgress?.({ stage: "states", done: row + 1, of: blocks.length });
    }
    return run.meter.spent().flops;
  } finally {
    engine.release(slot);
  }
}

/** Runs rows one after another in the same slot. */
class StatesRun implements Disposable {
  readonly meter: Meter;
  readonly #logits: Buffer;
  readonly #streams: ReadonlyMap<number, Uint16Array>;
  readonly #teacher: Int32Array;

  constructor(
    private readonly slot: Slot,
    private readonly cache: StateCache,
  ) {
    const { block, hidden, layers } = cache;
    this.meter = new Meter(slot.programs);
    this.#logits = new Buffer("f32", HEAD_ROWS * slot.programs.decoder.config.vocabulary);
    this.#streams = new Map(layers.map((layer) => [layer, new Uint16Array(block * hidden)]));
    this.#teacher = new Int32Array(block * TEACHER_TOP);
  }

  /** Runs row number `row` from an empty cache, and stores its states. */
  async row(row: number, ids: Int32Array): Promise<void> {
    const { slot, cache } = this;
    slot.truncate(0);
    slot.prepare(cache.block);
    for (let at = 0; at < cache.block; at += PREFILL_CHUNK) {
      const tokens = Math.min(PREFILL_CHUNK, cache.block - at);
      await this.#chunk(at, [...ids.subarray(at, at + tokens)]);
    }
    slot.programs.dropTables();
    cache.add(row, this.#streams, this.#teacher);
  }

  async #chunk(at: number, ids: readonly number[]): Promise<void> {
    const { slot, cache } = this;
    const { programs, buffers } = slot;
    const place = { entries: at, positions: at, longRope: slot.longRope };
    await embedTokens(programs, buffers, slot.lengthsFrom(0), ids, place);
    const positions = ids.map((_, i) => at + i);
    const ends = [...cache.layers, programs.decoder.config.layers];
    let done = 0;
    for (const [i, to] of ends.entries()) {
      done = await slot.pass({ from: ends[i - 1] ?? 0, to }, positions, {
        done,
        borders: cache.layers,
        meter: this.meter,
      });
      const stream = this.#streams.get(to);
      if (stream) this.#keep(stream, at, ids.length, done);
    }
    for (let first = 0; first < ids.length; first += HEAD_ROWS)
      await this.#judge(at, first, Math.min(HEAD_ROWS, ids.length - first), done);
  }

  /** Stores the stream, which is the sum of two parts. */
  #keep(into: Uint16Array, at: number, tokens: number, done: number): void {
    const { hidden } = this.cache;
    const { branch, residual } = this.slot.buffers.streamBuffers(done);
    const [a, b] = [new Float32Array(branch.memory), new Float32Array(residual.memory)];
    for (let i = 0; i < tokens * hidden; i++) into[at * hidden + i] = toHalf(a[i]! + b[i]!);
  }

  /** Stores the likeliest tokens after `count` positions of the chunk that begins at `at`. */
  async #judge(at: number, first: number, count: number, done: number): Promise<void> {
    const { programs, buffers } = this.slot;
    const { vocabulary } = programs.decoder.config;
    const stream = await tailOf(programs, buffers, { rows: 1, tokens: count, at: first }, done);
    await programs.head.bind({ ...stream, logits: this.#logits.view([1, count, vocabulary]) }).run();
    this.meter.part(programs.headCost, count, 0);
    const logits = new Float32Array(this.#logits.memory);
    for (let i = 0; i < count; i++)
      this.#teacher.set(
        likeliest(logits.subarray(i * vocabulary, (i + 1) * vocabulary), TEACHER_TOP),
        (at + first + i) * TEACHER_TOP,
      );
  }

  [Symbol.dispose](): void {
    this.#logits[Symbol.dispose]();
  }
}

/**
 * The indices of the `count` greatest values, greatest first, ties in order; padded with −1 if there are fewer values.
 */
export function likeliest(values: Float32Array, count: number): Int32Array {
  const places = new Int32Array(count).fill(-1);
  const greatest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value <= greatest[count - 1]!) continue;
    let to = count - 1;
    for (; to > 0 && value > greatest[to - 1]!; to--) {
      greatest[to] = greatest[to - 1]!;
      places[to] = places[to - 1]!;
    }
    greatest[to] = value;
    places[to] = i;
  }
  return places;
}
