import type { DecoderPrograms, Segment } from "../../../models/programs/programs.ts";
import type { ExitHead, StepProbe } from "../../../models/programs/step-probe.ts";
import { KvCache } from "../../../models/state/cache.ts";
import { DeviceRows } from "../../../models/state/device-rows.ts";
import type { LayerRange } from "../../../models/state/kv-group.ts";
import { Lengths } from "../../../models/state/lengths.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { BoundProgram } from "../../../runtime/program.ts";
import { Slot } from "../state/slot.ts";
import { type Finding, Probes } from "./probes.ts";
import { type BoundStack, type Span, StackBuffers, type Stream } from "./stack-buffers.ts";

/** The number of rows in one cache, which are decoded together. Memory is allocated as rows are written. */
export const BATCH_ROWS = 8;

/** Adjacent rows of a run. */
export interface Rows {
  readonly first: number;
  readonly rows: number;
}

/**
 * Adjacent slots in one cache, and the decode steps over them: adjacent slots run as one batch. Every buffer has space
 * for each row, because steps of other rows may run at the same time.
 */
export class Batch implements Disposable {
  readonly slots: readonly Slot[];
  readonly #rows: number;
  readonly #programs: DecoderPrograms;
  readonly #cache: KvCache | DeviceRows;
  readonly #buffers: StackBuffers;
  readonly #probes: Probes;
  /** Lengths, keyed by the first layer of a range. */
  readonly #lengths = new Map<number, Lengths>();
  readonly #logits: Buffer;
  readonly #stacks = new Map<string, BoundStack>();
  readonly #chains = new Map<string, () => Promise<void>>();

  /** `onDevice`: one row, with keys and values on the programs' device. */
  constructor(
    programs: DecoderPrograms,
    readonly onDevice = false,
  ) {
    const { config } = programs.decoder;
    this.#programs = programs;
    this.#rows = onDevice ? 1 : BATCH_ROWS;
    const cache = onDevice ? new DeviceRows(config, programs.head) : new KvCache(config, BATCH_ROWS);
    this.#cache = cache;
    this.#buffers = new StackBuffers(programs, this.#rows);
    this.#probes = new Probes(programs, this.#rows);
    this.#logits = new Buffer("f32", this.#rows * config.vocabulary);
    this.slots = Array.from({ length: this.#rows }, (_, row) => new Slot(programs, cache.span(row, 1)));
  }

  /** Groups of adjacent slots among `taking`. */
  adjacent(taking: ReadonlySet<Slot>): Rows[] {
    const runs: { first: number; rows: number }[] = [];
    for (const [row, slot] of this.slots.entries()) {
      const last = runs.at(-1);
      if (!taking.has(slot)) continue;
      if (last && last.first + last.rows === row) last.rows++;
      else runs.push({ first: row, rows: 1 });
    }
    return runs;
  }

  slotsOf({ first, rows }: Rows): readonly Slot[] {
    return this.slots.slice(first, first + rows);
  }

  /** Sets each row's next token, for runs that start at the first layer. */
  setTokens(of: Rows, tokens: readonly number[]): void {
    for (const [i, id] of tokens.entries()) this.#buffers.setId(of.first + i, id);
  }

  /**
   * Runs the rows' new tokens through layers that no row's groups divide. The input is the embedding, or the stream
   * after `done` segments. Groups that end with these layers record the token. Returns the number of segments run.
   */
  async run(of: Rows, { from, to }: LayerRange, borders: readonly number[], done: number): Promise<number> {
    const segments = this.#programs.segments(from, to, borders);
    const lengths = this.#lengthsFrom(from);
    const start = this.#setLengths(of, from, lengths);
    const key = [keyOf(of), done % 2, ...segments.map((segment) => segment.from), to].join(" ");
    const bound = this.#stacks.get(key) ?? this.#bind(of, segments, done, lengths);
    this.#stacks.set(key, bound);
    for (const slot of this.slotsOf(of)) slot.group(from).begin();
    await bound.run(start);
    for (const slot of this.slotsOf(of)) {
      const group = slot.group(from);
      if (group.layers.to === to) group.grow([slot.tokens.length]);
    }
    return done + segments.length;
  }

  #bind(of: Rows, segments: readonly Segment[], done: number, lengths: Lengths): BoundStack {
    const span = spanOf(of);
    const views = lengths.views(of.first, of.rows, 1);
    const embed = () => [this.#programs.embedding.bind({ ...views, ...this.#buffers.entry(span) })];
    const first = segments[0]!.from === 0 ? embed() : [];
    return this.#buffers.bind(segments, {
      done,
      span,
      cache: this.#cache.span(of.first, of.rows),
      lengths: views,
      first,
    });
  }

  /**
   * Computes logits from the rows' stream after `done` segments, with an exit's own head or the model's: see
   * `logitsOf`.
   */
  async head(of: Rows, done: number, exit?: ExitHead): Promise<void> {
    const program = exit && (await this.#programs.exitHead(exit));
    await this.#chain(`head ${done % 2} ${keyOf(of)} ${exit?.key}`, of, () => [this.#boundHead(of, done, program)]);
  }

  /** Runs a probe on the newest token of each row, in one run. */
  probe(of: Rows, done: number, probe: StepProbe): Promise<Finding[]> {
    const rows = { first: of.first, slots: this.slotsOf(of) };
    return this.#probes.read(probe, rows, `${done % 2} ${keyOf(of)}`, () => this.#buffers.stream(done, spanOf(of)));
  }

  /** Runs the part after the model's last attention, if any, then the head. */
  finish(of: Rows, done: number): Promise<void> {
    return this.#chain(`finish ${done % 2} ${keyOf(of)}`, of, () => {
      const span = spanOf(of);
      const binding = { ...this.#buffers.attendedViews(span), ...this.#buffers.streamOut(done, span) };
      const { tail } = this.#programs;
      return [...(tail ? [tail.bind(binding)] : []), this.#boundHead(of, done)];
    });
  }

  #boundHead(of: Rows, done: number, head = this.#programs.head): BoundProgram {
    const { vocabulary } = this.#programs.decoder.config;
    const logits = this.#logits.view([of.rows, 1, vocabulary], of.first * vocabulary);
    return head.bind({ ...this.#buffers.stream(done, spanOf(of)), logits });
  }

  /** The stream of one row. */
  stream(slot: Slot, done: number): Stream {
    return this.#buffers.stream(done, { rows: 1, tokens: 1, at: this.slots.indexOf(slot) });
  }

  /** The memory of the rows' streams: `hidden` numbers per row, in slot order. */
  streamBuffers(done: number): ReturnType<StackBuffers["streamBuffers"]> {
    return this.#buffers.streamBuffers(done);
  }

  /** [vocabulary]; the slot's next step overwrites it. */
  logitsOf(slot: Slot): Float32Array {
    const { vocabulary } = this.#programs.decoder.config;
    return new Float32Array(this.#logits.memory, 4 * this.slots.indexOf(slot) * vocabulary, vocabulary);
  }

  /** Sets the rows' lengths; returns the first token to which layers with a window are bound. */
  #setLengths(of: Rows, from: number, lengths: Lengths): number {
    const places = this.slotsOf(of).map((slot) => slot.next(from));
    return lengths.set(of.first, places, 1);
  }

  #lengthsFrom(layer: number): Lengths {
    const known = this.#lengths.get(layer) ?? new Lengths(this.#programs.decoder.config, this.#rows, 1);
    this.#lengths.set(layer, known);
    return known;
  }

  /** Runs programs, which stay bound to these rows. */
  #chain(key: string, { rows }: Rows, bind: () => BoundProgram[]): Promise<void> {
    const known = this.#chains.get(key);
    if (known) return known();
    const programs = bind();
    const brief = programs.every(({ program }) => isBrief(program, { batch: rows, tokens: 1 }));
    const run = () => runChain(programs, brief);
    this.#chains.set(key, run);
    return run();
  }

  [Symbol.dispose](): void {
    const own = [this.#buffers, this.#probes, ...this.#lengths.values(), this.#logits, this.#cache];
    for (const held of [...this.slots, ...own]) held[Symbol.dispose]();
  }
}

const keyOf = ({ first, rows }: Rows): string => `${first}+${rows}`;
const spanOf = ({ first, rows }: Rows): Span => ({ rows, tokens: 1, at: first });
