import { inputWidth } from "../../../models/decoder/decoder.ts";
import { formKey, isApart, type LayerForm } from "../../../models/programs/dense-graphs.ts";
import type { DecoderPrograms, Segment } from "../../../models/programs/programs.ts";
import type { KvRows } from "../../../models/state/cache.ts";
import { DeviceRows } from "../../../models/state/device-rows.ts";
import type { LayerRange, StateGroup } from "../../../models/state/kv-group.ts";
import { Lengths, type Place } from "../../../models/state/lengths.ts";
import { windowStart } from "../../../models/state/window-start.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { Program } from "../../../runtime/program.ts";
import type { Meter, PartRun } from "../../bill/meter.ts";
import { Axes } from "../run/axes.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import { HeldBack } from "../run/held-back.ts";
import { Probes } from "../run/probes.ts";
import { SeamChunks } from "../run/seam-chunk.ts";
import { StackBuffers, type Stream } from "../run/stack-buffers.ts";
import { aheadOf, type WholeImage, wholeImagesIn } from "../run/whole-images.ts";
import { ApartLengths } from "./apart-lengths.ts";
import { BoundStacks } from "./bound-stacks.ts";
import { CacheRow } from "./cached.ts";
import { ProbeMemory } from "./probe-memory.ts";

/** The options of a pass through layers. */
interface PassTerms {
  readonly done?: number;
  readonly borders?: readonly number[];
  readonly form?: LayerForm | undefined;
  readonly meter?: Meter | undefined;
}

/** One sequence's place in the engine: its row of a cache, and the buffers bound to its programs. */
export class Slot extends CacheRow implements Disposable {
  busy = false;
  readonly programs: DecoderPrograms;
  readonly buffers: StackBuffers;
  /** Lengths, keyed by the first layer of a range. */
  readonly #lengths = new Map<number, Lengths>();
  #logits: Buffer;
  readonly #stacks = new BoundStacks();
  /** The states of the sequence's probes. */
  readonly memory = new ProbeMemory();
  /** Probes that only this sequence uses. */
  readonly probes: Probes;
  #held: HeldBack | undefined;
  /** Positions of the prompt and the answer, if they have several axes. */
  #axes: Axes | undefined;
  /** The prompt's images whose tokens see each other. */
  #images: readonly WholeImage[] = [];
  #apart: SeamChunks | undefined;
  readonly #apartLengths: ApartLengths;

  constructor(programs: DecoderPrograms, cache: KvRows) {
    super(cache);
    this.programs = programs;
    this.buffers = new StackBuffers(programs, PREFILL_CHUNK);
    this.probes = new Probes(programs, 1);
    this.#apartLengths = new ApartLengths(programs.decoder.config);
    this.#logits = new Buffer("f32", programs.decoder.config.vocabulary);
  }

  /** True if the slot's keys and values are on the programs' device; such a slot runs only densely. */
  get onDevice(): boolean {
    return this.cache instanceof DeviceRows;
  }

  /** Exited tokens that wait for a later token that runs deeper layers; created on first use. */
  get held(): HeldBack {
    const { config } = this.programs.decoder;
    this.#held ??= new HeldBack(PREFILL_CHUNK, config.hidden, inputWidth(config));
    return this.#held;
  }

  /** Runs tokens with results bit-equal to decode steps; created on first use. */
  get apart(): SeamChunks {
    this.#apart ??= new SeamChunks(this, () => undefined, PREFILL_CHUNK, true);
    return this.#apart;
  }

  /** The number of waiting tokens. */
  get waiting(): number {
    return this.#held?.count ?? 0;
  }

  /** Stores a probe's state after the sequence's first `tokens` tokens. */
  remember(key: string, tokens: number, state: Float32Array): void {
    this.memory.put(key, tokens, state, this.tokens.length - this.waiting);
  }

  /** The layers at which groups begin, except the first group. */
  get borders(): number[] {
    return this.groups.slice(1).map(({ layers }) => layers.from);
  }

  /** Tokens that were held back never reach deeper layers. */
  override truncate(length: number): void {
    this.#held?.clear();
    super.truncate(length);
    this.memory.truncate(this.tokens.length);
  }

  /** The groups that hold any of the layers from `from` to `to` − 1. */
  groupsOf({ from, to }: LayerRange): StateGroup[] {
    return this.groups.filter(({ layers }) => layers.from < to && layers.to > from);
  }

  /** The runs of the first `depth` layers over one token; `later` counts the entries of a group after that token. */
  runsOf(depth: number, later: (group: StateGroup) => number = () => 0): PartRun[] {
    return this.groupsOf({ from: 0, to: depth }).map((group) => {
      const { from, to } = group.layers;
      return { cost: this.programs.costOf(from, to, this.borders), tokens: 1, past: group.length - 1 - later(group) };
    });
  }

  /** The runs over drafts that wait to be checked. */
  get drafts(): PartRun[] {
    if (!this.#held?.drafts) return [];
    const { depths } = this.#held;
    return depths.flatMap((depth, i) =>
      this.runsOf(depth, ({ layers }) => depths.slice(i + 1).filter((other) => other >= layers.to).length),
    );
  }

  /**
   * Runs the layers from `from` to `to` − 1, with weights in this form, over tokens whose stream is in the buffers
   * after `done` segments; segments are also cut at `borders`. Records the entries of groups whose last layer ran, and
   * bills the meter. Returns the number of segments run.
   */
  async pass(
    range: LayerRange,
    positions: readonly number[],
    { done = 0, borders = [], form = "own", meter }: PassTerms,
  ): Promise<number> {
    const cuts = [...borders, ...this.borders];
    let segments = done;
    for (const group of this.groupsOf(range)) {
      const layers = { from: Math.max(range.from, group.layers.from), to: Math.min(range.to, group.layers.to) };
      const lengths = this.lengthsFrom(layers.from);
      const start = lengths.set(0, [this.placeIn(group, positions)], positions.length);
      if (isApart(form)) this.#apartLengths.set(group.length, positions, this.longRope);
      meter?.part(this.programs.costOf(layers.from, layers.to, cuts, form), positions.length, group.length);
      if (layers.from === group.layers.from) group.begin();
      const parts = this.programs.segments(layers.from, layers.to, cuts, form);
      segments += await this.#layers(parts, form, segments, positions.length, start, lengths);
      if (layers.to === group.layers.to) group.grow(positions);
    }
    return segments;
  }

  /** Begins a prompt, whose tokens may have positions on several axes. */
  begin(prompt: readonly number[]): void {
    this.prepare(prompt.length);
    this.memory.beginPrompt(prompt.length);
    const { axes, wholeImages } = this.programs.decoder.config;
    this.#axes = axes ? new Axes(prompt) : undefined;
    this.#images = wholeImages ? wholeImagesIn(prompt) : [];
  }

  /** The prompt's images, if the model lets an image's tokens see each other. */
  get wholeImages(): readonly WholeImage[] {
    return this.#images;
  }

  /** Positions of the prompt's tokens by time, height and width, if the model uses these axes. */
  axesOf(positions: readonly number[]): [number[], number[], number[]] | undefined {
    const axes = this.#axes?.at(positions);
    return axes && [axes.positions, axes.height, axes.width];
  }

  /** Without explicit positions, the kernel uses each entry's index as its position. */
  placeIn(group: StateGroup, positions: readonly number[]): Place {
    if (this.#axes) return { entries: group.length, ...this.#axes.at(positions) };
    const first = positions[0]!;
    const follows = positions.at(-1) === first + positions.length - 1;
    const gapless = follows && (first === group.length || group.length > 0);
    const ahead = this.#images.length > 0 && { ahead: aheadOf(this.#images, positions) };
    return { entries: group.length, positions: gapless ? first : positions, longRope: this.longRope, ...ahead };
  }

  /** True if the windows of all these new tokens are bound from the same token on. */
  windowStays(tokens: number): boolean {
    const { config } = this.programs.decoder;
    const past = this.tokens.length;
    return windowStart(config, past) === windowStart(config, past + tokens - 1);
  }

  /** The place of the next token in layer `layer` and its group. */
  next(layer: number): Place {
    const [group, at] = [this.group(layer), this.tokens.length];
    if (this.#axes) return this.placeIn(group, [at]);
    return { entries: group.length, positions: at, longRope: this.longRope };
  }

  async #layers(
    segments: readonly Segment[],
    form: LayerForm,
    done: number,
    tokens: number,
    start: number,
    lengths: Lengths,
  ): Promise<number> {
    const key = [formKey(form), tokens, done % 2, ...segments.map(({ from }) => from), segments.at(-1)!.to].join(" ");
    const span = { rows: 1, tokens, at: 0 };
    const how = isApart(form)
      ? { lengths: this.#apartLengths.views(tokens), apart: tokens }
      : { lengths: lengths.views(0, 1, tokens) };
    const binds = { done, span, cache: this.cache, ...how };
    await this.#stacks.of(key, () => this.buffers.bind(segments, binds)).run(start);
    return segments.length;
  }

  /** The lengths for a run that starts at `layer`. */
  lengthsFrom(layer: number): Lengths {
    const known = this.#lengths.get(layer) ?? new Lengths(this.programs.decoder.config, 1, PREFILL_CHUNK);
    this.#lengths.set(layer, known);
    return known;
  }

  /** Logits [vocabulary] of one token from its stream. The next call overwrites the memory. */
  async logitsOf(stream: Stream, head = this.programs.head): Promise<Float32Array> {
    return (await this.#score(head, stream, 1))[0]!;
  }

  /** Like `logitsOf`, for the stream of several tokens after the model's last layer. */
  logitsOfAll(stream: Stream, tokens: number): Promise<Float32Array[]> {
    return this.#score(this.programs.head, stream, tokens);
  }

  async #score(head: Program, stream: Stream, tokens: number): Promise<Float32Array[]> {
    const { vocabulary } = this.programs.decoder.config;
    if (this.#logits.elements < tokens * vocabulary) {
      this.#logits[Symbol.dispose]();
      this.#logits = new Buffer("f32", tokens * vocabulary);
    }
    const bound = head.bind({ ...stream, logits: this.#logits.view([1, tokens, vocabulary]) });
    await runChain([bound], isBrief(head, { batch: 1, tokens }));
    const { memory } = this.#logits;
    return Array.from({ length: tokens }, (_, t) => new Float32Array(memory, 4 * t * vocabulary, vocabulary));
  }

  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]();
    this.#apart?.[Symbol.dispose]();
    const held = [this.buffers, this.probes, ...this.#lengths.values(), this.#apartLengths, this.#logits];
    for (const each of held) each[Symbol.dispose]();
  }
}
