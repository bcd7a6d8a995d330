import { attends, layersOf, qkvWidth } from "../../../models/decoder/decoder.ts";
import type { WeightForm } from "../../../models/programs/dense-graphs.ts";
import type { KvRows } from "../../../models/state/cache.ts";
import { Lengths } from "../../../models/state/lengths.ts";
import { ViewSet } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { BoundProgram, Program } from "../../../runtime/program.ts";
import type { Plan } from "../../../savings/plan.ts";
import type { PartRun } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Chunk, ChunkJob } from "./chunk-run.ts";
import { cacheBinding, type Span, StackBuffers, stateBinding } from "./stack-buffers.ts";

/**
 * Runs chunks layer by layer with the attention seam open: a saving replaces a layer's attention between the pieces of
 * the stack. Buffers live for one prompt, because they are wide, and few prompts need them.
 */
export class SeamChunks implements Disposable {
  readonly buffers: StackBuffers;
  readonly lengths: Lengths;

  /**
   * `capacity`: the maximum length of chunks; `form`: the form of the layers' weights; `apart`: dense attention runs
   * token by token, bit-equal to decode steps if a row's products do not depend on the number of rows.
   */
  constructor(
    slot: Slot,
    private readonly attention: Plan["attention"],
    capacity: number,
    private readonly apart = false,
    private readonly form: WeightForm = "own",
  ) {
    this.buffers = new StackBuffers(slot.programs, capacity);
    this.lengths = new Lengths(slot.programs.decoder.config, 1, capacity);
  }

  /** `total`: the number of tokens that reach these layers; `whole`: the number of the prompt's tokens. */
  async run(job: ChunkJob, { total, whole }: { total: number; whole: number }): Promise<Chunk> {
    const { slot, layers, positions } = job;
    const { programs } = slot;
    const { config } = programs.decoder;
    const tokens = positions.length;
    const span: Span = { rows: 1, tokens, at: 0 };
    const groups = slot.groupsOf(layers);
    for (const group of groups) if (layers.from <= group.layers.from) group.begin();
    let at: Place = { layer: layers.from, done: job.done, pieces: 0, open: false };
    while (at.layer < layers.to) {
      if (!attends(config, at.layer)) {
        at = await this.#recur(job, at.open ? await this.#leaveWhole(job, at, span) : at, span);
        continue;
      }
      await this.#lead(job, at, span);
      await this.#attend(job, at.layer, span, { total, whole });
      at = { ...at, layer: at.layer + 1, pieces: at.pieces + 1, open: true };
    }
    for (const group of groups) if (layers.to >= group.layers.to) group.grow(positions);
    const end = at.open && layers.to < config.layers ? await this.#leaveWhole(job, at, span) : at;
    const done = end.open ? end.done + 1 : end.done;
    const rest = (first: number, count: number) =>
      end.open ? within(this.#parts(job, layers.to - 1, span), first, count) : [];
    const width = qkvWidth(config, layers.to - 1);
    return {
      ...{ tokens, buffers: this.buffers, done },
      rows: async (first, count) => {
        await this.#leave(job, end, rest(first, count));
        return this.buffers.stream(done, { rows: 1, tokens: count, at: first });
      },
      headRuns: async (first, count) => [
        ...(await this.#runsOf(job, end, rest(first, count))),
        { cost: programs.head.cost, tokens: count, past: 0 },
      ],
      qkv: async () => this.buffers.qkv.view([1, 1, width], (tokens - 1) * width),
    };
  }

  #qkv({ slot }: ChunkJob, layer: number, { tokens, at }: Span) {
    const width = qkvWidth(slot.programs.decoder.config, layer);
    return this.buffers.qkv.view([1, tokens, width], at * width);
  }

  /** Runs the steps before a layer's attention. */
  async #lead(job: ChunkJob, at: Place, span: Span): Promise<void> {
    const { programs } = job.slot;
    const { layer } = at;
    if (!at.open) return this.#leadPart(job, at, await programs.before(layer, this.form), span);
    for (const part of this.#parts(job, layer - 1, span))
      await this.#leadPart(job, at, await programs.between(layer, part.share, this.form), part);
  }

  async #leadPart(job: ChunkJob, { layer, done, pieces }: Place, program: Program, span: Span): Promise<void> {
    const { slot, meter } = job;
    const streams = { ...this.buffers.stream(done, span), ...this.buffers.attendedViews(span, pieces, layer - 1) };
    const binding = { ...streams, ...stateBinding(slot.cache, layer) };
    await runShort(program.bind({ ...binding, qkv: this.#qkv(job, layer, span) }), span);
    meter.part(program.cost, span.tokens, slot.group(layer).length);
  }

  /** The chunk's tokens grouped by their share of a layer's feed-forward. */
  #parts({ positions }: ChunkJob, layer: number, span: Span): readonly Part[] {
    const parts = this.attention(layer)?.feedForward?.(positions) ?? [{ tokens: span.tokens, share: 1 }];
    let at = span.at;
    return parts.map((part) => {
      const own = { rows: 1, at, ...part };
      at += part.tokens;
      return own;
    });
  }

  async #attend(job: ChunkJob, layer: number, span: Span, of: { total: number; whole: number }): Promise<void> {
    const { slot, positions, meter } = job;
    const { length: past } = slot.group(layer);
    const start = this.lengths.set(0, [slot.placeIn(slot.group(layer), positions)], span.tokens);
    const dense = () => this.#dense(job, layer, span, start);
    const saving = this.attention(layer);
    if (!saving) return dense();
    const bill = meter.insteadOfPart(slot.programs.attentionCost(layer), span.tokens, past);
    await saving.attend({
      ...{ layer, past, tokens: span.tokens, prompt: of.total, whole: of.whole },
      ...{ places: positions, positions: this.lengths.positions, axes: this.lengths.axes },
      ...{ qkv: this.buffers.qkv, attended: this.buffers.attended },
      ...{ cache: slot.cache, bill, dense },
    });
  }

  async #dense(job: ChunkJob, layer: number, span: Span, start: number): Promise<void> {
    const { slot, meter } = job;
    const program = await slot.programs.attention(layer);
    if (this.apart) return this.#eachToken(job, layer, program);
    using views = new ViewSet();
    await this.#boundAttention(job, { layer, program, span }, slot.cache.from(layer, start, views)).run();
    meter.part(program.cost, span.tokens, slot.group(layer).length);
  }

  #eachToken(job: ChunkJob, layer: number, program: Program): void {
    const { slot, positions, meter } = job;
    const { length: past } = slot.group(layer);
    for (const [at, position] of positions.entries()) {
      using views = new ViewSet();
      const place = { entries: past + at, positions: position, longRope: slot.longRope };
      const cache = slot.cache.from(layer, this.lengths.set(0, [place], 1), views);
      this.#boundAttention(job, { layer, program, span: { rows: 1, tokens: 1, at } }, cache).runSync();
      meter.part(program.cost, 1, past + at);
    }
  }

  #boundAttention(
    job: ChunkJob,
    { layer, program, span }: { layer: number; program: Program; span: Span },
    cache: ReturnType<KvRows["layer"]>,
  ): BoundProgram {
    const lengths = this.lengths.views(0, 1, span.tokens);
    const binding = { ...this.buffers.attendedViews(span, 0, layer), ...lengths, ...cacheBinding(cache, "") };
    return program.bind({ ...binding, qkv: this.#qkv(job, layer, span) });
  }

  /** Runs the recurrent layers before the next attention layer. */
  async #recur(job: ChunkJob, at: Place, span: Span): Promise<Place> {
    const { slot, layers, meter } = job;
    const { programs } = slot;
    const attending = layersOf(programs.decoder.config, "attention");
    const to = Math.min(layers.to, attending.find((layer) => layer > at.layer) ?? layers.to);
    const segments = await programs.recurrent(at.layer, to);
    const binds = { done: at.done, span, cache: slot.cache, lengths: {} };
    using bound = this.buffers.bind(segments, binds);
    await bound.run(0);
    for (const { program } of segments) meter.part(program.cost, span.tokens, 0);
    return { ...at, layer: to, done: at.done + segments.length };
  }

  /** Runs the rest of the previous layer for all tokens. */
  async #leaveWhole(job: ChunkJob, at: Place, span: Span): Promise<Place> {
    const parts = this.#parts(job, at.layer - 1, span);
    await this.#leave(job, at, parts);
    job.meter.parts(await this.#runsOf(job, at, parts));
    return { ...at, done: at.done + 1, open: false };
  }

  /** Runs the rest of the previous layer, after its attention, for some tokens. */
  async #leave(job: ChunkJob, at: Place, parts: readonly Part[]): Promise<void> {
    for (const { share, ...span } of parts) {
      const program = await this.#after(job, at, share);
      const attended = this.buffers.attendedViews(span, at.pieces, at.layer - 1);
      await runShort(program.bind({ ...attended, ...this.buffers.streamOut(at.done + 1, span) }), span);
    }
  }

  /** The runs that `#leave` performs. */
  #runsOf(job: ChunkJob, at: Place, parts: readonly Part[]): Promise<PartRun[]> {
    return Promise.all(
      parts.map(async ({ share, tokens }) => ({ cost: (await this.#after(job, at, share)).cost, tokens, past: 0 })),
    );
  }

  /** The program for the rest of the previous layer; for the model's last layer, the whole segments' program. */
  #after({ slot: { programs } }: ChunkJob, { layer }: Place, share: number): Promise<Program> {
    return programs.after(layer - 1, share, layer < programs.decoder.config.layers ? this.form : "own");
  }

  [Symbol.dispose](): void {
    this.buffers[Symbol.dispose]();
    this.lengths[Symbol.dispose]();
  }
}

/** A chunk's position on its way through the layers. */
interface Place {
  /** The next layer. */
  readonly layer: number;
  /** The number of segments run. */
  readonly done: number;
  /** The number of attention pieces run. */
  readonly pieces: number;
  /** True if the rest of the previous layer, an attention layer, has yet to run. */
  readonly open: boolean;
}

/** Tokens of a chunk that run the same share of a feed-forward. */
interface Part extends Span {
  readonly share: number;
}

/** The parts within the `count` tokens that start at `first`. */
const within = (parts: readonly Part[], first: number, count: number): Part[] =>
  parts.flatMap((part) => {
    const at = Math.max(part.at, first);
    const tokens = Math.min(part.at + part.tokens, first + count) - at;
    return tokens > 0 ? [{ ...part, at, tokens }] : [];
  });

/** Runs a program, on the calling thread if it is short. */
const runShort = (bound: BoundProgram, { rows, tokens }: Span): Promise<void> =>
  runChain([bound], isBrief(bound.program, { batch: rows, tokens }));
