import { type DecoderConfig, inputWidth } from "../../../models/decoder/decoder.ts";
import type { LayerForm } from "../../../models/programs/dense-graphs.ts";
import type { LayerRange } from "../../../models/state/kv-group.ts";
import { isRecurrent, type Plan, type PromptCut, type StepProbe } from "../../../savings/plan.ts";
import type { Meter, PartRun } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import { Additions, type Embeddings, rowOf } from "./additions.ts";
import { chunkAfter, denseChunk } from "./chunk.ts";
import { type Chunk, type ChunkJob, embedTokens, runSegments } from "./chunk-run.ts";
import { SeamChunks } from "./seam-chunk.ts";
import type { Stream } from "./stack-buffers.ts";
import { StreamRows } from "./stream-rows.ts";
import { looksAhead } from "./whole-images.ts";

/** A prompt's tokens gathered at a cut: their streams, and their positions in the prompt. */
class GatheredRows extends StreamRows {
  constructor(
    public positions: readonly number[],
    config: DecoderConfig,
  ) {
    super(positions.length, config.hidden, inputWidth(config));
  }

  /** True once every token has arrived. */
  get complete(): boolean {
    return this.count === this.positions.length;
  }

  override keep(indices: ArrayLike<number>): void {
    super.keep(indices);
    this.positions = Array.from(indices, (i) => this.positions[i]!);
  }
}

/** Prompt tokens that ran in one pass. */
export interface Run {
  /** The number of tokens that have run through all layers; 0 while the prompt gathers at a cut. */
  readonly tokens: number;
  /** True for the prompt's last chunk. */
  readonly last: boolean;
  /** The stream of `count` of these tokens from `first` on, after the last layer; valid until the next call or run. */
  rows(first: number, count: number): Promise<Stream>;
  /** The runs that compute the result of `rows` and its logits: the part after the last attention, and the head. */
  headRuns(first: number, count: number): Promise<readonly PartRun[]>;
}

/** The settings of a prompt's run. */
export interface RunTerms {
  readonly plan: Plan;
  readonly meter: Meter;
  readonly signal?: AbortSignal | undefined;
  readonly embeddings?: Embeddings | undefined;
}

/** The layers between two cuts of a prompt, and the cut at their end. */
interface Phase extends LayerRange {
  readonly cut: PromptCut | undefined;
}

/** Runs, with a plan, the part of a prompt that a slot does not hold yet: chunk by chunk, from cut to cut. */
export class PromptRun {
  readonly #phases: readonly Phase[];
  readonly #borders: readonly number[];
  readonly #additions: Additions;
  /** Adds the tokens that were run to the dense bill. */
  #dense: (tokens: number) => void = () => {};

  constructor(
    private readonly slot: Slot,
    private readonly prompt: readonly number[],
    private readonly terms: RunTerms,
  ) {
    const { layers, hidden } = slot.programs.decoder.config;
    const cuts = terms.plan.cuts.filter((cut): cut is PromptCut => cut.scope === "prompt");
    const ends = [...cuts.map(({ after }) => after), layers];
    this.#phases = ends.map((to, i) => ({ from: ends[i - 1] ?? 0, to, cut: cuts[i] }));
    this.#borders = bordersOf(terms.plan);
    this.#additions = new Additions(prompt, terms.embeddings, hidden);
  }

  /** Yields runs over the prompt; the last one includes the stream of the prompt's last token. */
  async *runs(): AsyncGenerator<Run> {
    this.slot.begin(this.prompt);
    await this.#prepareAdditions();
    this.#dense = this.terms.meter.insteadOfText(this.slot.tokens.length, this.slot.wholeImages);
    if (looksAhead(this.slot.wholeImages, this.slot.tokens.length, this.prompt.length))
      await this.slot.programs.prepareImages([...this.#borders, ...this.slot.borders]);
    let rows: GatheredRows | undefined;
    try {
      for (const { cut, ...layers } of this.#phases) {
        const reached = cut && new GatheredRows(this.#positions(rows), this.slot.programs.decoder.config);
        using before = rows;
        rows = reached;
        if (cut && reached) yield* this.#gather(layers, cut, before, reached);
        else yield* this.#finish(layers, before);
      }
    } finally {
      rows?.[Symbol.dispose]();
    }
  }

  /** Compiles the segments between the layers after which images are added to the stream. */
  async #prepareAdditions(): Promise<void> {
    const { depths } = this.#additions;
    if (depths.length === 0) return;
    const { programs } = this.slot;
    const { bytes } = this.terms.plan;
    const cuts = [...depths, ...this.#borders];
    await programs.prepareCuts(cuts);
    if (bytes) await programs.prepareBytes(bytes, cuts);
  }

  /** Positions of the tokens to run. */
  #positions(rows: GatheredRows | undefined): readonly number[] {
    const first = this.slot.tokens.length;
    return rows?.positions ?? Array.from({ length: this.prompt.length - first }, (_, i) => first + i);
  }

  /** Runs all tokens to a cut; the streams of the kept tokens are left in `reached`. */
  async *#gather(
    layers: LayerRange,
    cut: PromptCut,
    before: GatheredRows | undefined,
    reached: GatheredRows,
  ): AsyncGenerator<Run> {
    const { meter } = this.terms;
    const tokens = reached.positions.length;
    let probed = new Float32Array();
    for await (const chunk of this.#chunks(layers, before)) {
      reached.add(chunk.buffers.streamBuffers(chunk.done), 0, chunk.tokens);
      if (reached.complete && cut.probe) {
        const { positions } = reached;
        const places = { positions, axes: this.slot.axesOf(positions) };
        const point = { tokens, ...places, layer: layers.to - 1, cache: this.slot.cache, qkv: chunk.qkv };
        const { found, cost } = await cut.probe.look(point);
        meter.overhead(cost);
        probed = new Float32Array(found);
      }
      yield { tokens: 0, last: false, rows: refuse, headRuns: refuse };
    }
    const decision = cut.decide({ tokens, positions: reached.positions, probed });
    if (decision.kind === "keep") reached.keep(decision.positions);
    else if (decision.kind !== "continue") throw new Error(`a prompt reached a cut that decided to ${decision.kind}`);
    meter.count("tokens", tokens, reached.positions.length);
  }

  async *#finish(layers: LayerRange, before: GatheredRows | undefined): AsyncGenerator<Run> {
    let remaining = this.#positions(before).length;
    for await (const { tokens, rows, headRuns } of this.#chunks(layers, before)) {
      remaining -= tokens;
      yield { tokens, last: remaining === 0, rows, headRuns };
    }
  }

  /** Runs some layers over the tokens that reach them, in chunks of the maximum length. */
  async *#chunks(layers: LayerRange, before: GatheredRows | undefined): AsyncGenerator<Chunk> {
    const { slot, terms } = this;
    const { plan, meter } = terms;
    const all = this.#positions(before);
    const saving = savingIn(plan, layers);
    using seam = saving && new SeamChunks(slot, plan.attention, saving.chunk, false, plan.bytes);
    for (let at = 0; at < all.length; ) {
      terms.signal?.throwIfAborted();
      const entries = slot.group(layers.from).length;
      const dense = denseChunk(slot.programs, entries, this.slot.wholeImages);
      const most = saving ? saving.chunkAfter(entries) : dense.tokens;
      const form = dense.ahead ? "images" : plan.bytes;
      const job: ChunkJob = { slot, layers, done: 0, positions: all.slice(at, at + most), meter };
      if (before) before.give((seam ?? slot).buffers.streamBuffers(0), at, job.positions.length);
      else await this.#enter(job, seam, form);
      const sizes = { total: before ? all.length : this.prompt.length, whole: this.prompt.length };
      const chunk = await this.#through(job, (part) =>
        seam ? seam.run(part, sizes) : runSegments(part, this.#borders, form),
      );
      const whole = !saving && !dense.ahead && job.positions.length === chunkAfter(slot.programs, entries);
      if (!before) this.#note(job, whole);
      slot.programs.dropTables();
      at += chunk.tokens;
      yield chunk;
    }
  }

  /** Runs a chunk through its layers; images are added to it on the way, and probes with a state read it. */
  async #through(job: ChunkJob, run: (part: ChunkJob) => Promise<Chunk>): Promise<Chunk> {
    const { from, to } = job.layers;
    const readers = this.terms.plan.cuts.filter(isRecurrent).filter(({ after }) => after > from && after <= to);
    const adding = this.#additions.depthsOf(job);
    const stops = new Set([...readers.map(({ after }) => after), ...adding, to]);
    let chunk: Chunk | undefined;
    let start = from;
    for (const after of [...stops].sort((a, b) => a - b)) {
      chunk = await run({ ...job, layers: { from: start, to: after }, done: chunk?.done ?? 0 });
      if (adding.includes(after)) job.meter.run(this.#additions.add(job, after, chunk));
      for (const reader of readers)
        if (reader.probe && reader.after === after) await this.#read(reader.probe, job, chunk);
      start = after;
    }
    return chunk!;
  }

  async #read(probe: StepProbe, { slot, positions, meter }: ChunkJob, { buffers, done, tokens }: Chunk): Promise<void> {
    const stream = buffers.stream(done, { rows: 1, tokens, at: 0 });
    meter.overheadPart(await slot.probes.readPrompt(probe, slot, stream, positions.at(-1)! + 1), tokens, 0);
  }

  /** Embeds a chunk's tokens. */
  async #enter(
    { slot, positions, meter }: ChunkJob,
    seam: SeamChunks | undefined,
    form: LayerForm | undefined,
  ): Promise<void> {
    const first = positions[0]!;
    const tokens = this.prompt.slice(first, first + positions.length);
    const { buffers } = seam ?? slot;
    const place = { entries: first, positions: first, longRope: slot.longRope };
    await embedTokens(slot.programs, buffers, seam?.lengths ?? slot.lengthsFrom(0), tokens, place);
    const { hidden } = slot.programs.decoder.config;
    const rows = new Float32Array(buffers.streamBuffers(0).branch.memory);
    for (const [i, id] of tokens.entries())
      if (id < 0) rows.set(rowOf(this.terms.embeddings, id).subarray(0, hidden), i * hidden);
    this.#dense(tokens.length);
    const added = tokens.filter((id) => id < 0).length * this.#additions.depths.length;
    meter.insteadOf(this.#additions.cost(added));
    meter.part(slot.programs.embedding.cost, tokens.length, first);
    if (form && typeof form !== "string") meter.count("int8Tokens", 0, tokens.length);
  }

  /** Records the tokens for which the first layers hold entries. */
  #note({ positions }: ChunkJob, whole: boolean): void {
    const first = positions[0]!;
    const { cuts, state } = this.terms.plan;
    this.slot.grow(this.prompt.slice(first, first + positions.length), state.prompt, whole && cuts.length === 0);
    this.slot.mark();
  }
}

/** The layers after which a plan's segments are cut: at its cuts, and before a layer that a probe reads. */
export const bordersOf = ({ cuts }: Plan): number[] =>
  cuts.flatMap(({ scope, after, probe }) => (scope === "prompt" && probe ? [after - 1, after] : [after]));

function savingIn({ attention }: Plan, { from, to }: LayerRange) {
  for (let layer = from; layer < to; layer++) {
    const saving = attention(layer);
    if (saving) return saving;
  }
  return undefined;
}

const refuse = (): never => {
  throw new Error("a prompt that gathers tokens at a cut has no rows after the last layer");
};
