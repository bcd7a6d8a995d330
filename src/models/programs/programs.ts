import { type ByteForm, byteFormKey, type Cost, type Graph, graphCost, sumCosts } from "../../graph/index.ts";
import type { Device } from "../../runtime/device.ts";
import { Program } from "../../runtime/program.ts";
import type { SharedWeights } from "../../runtime/shared-weights.ts";
import type { Weights } from "../../weights/prepared/weights.ts";
import { type Decoder, endsInAttention, isRecurrent, keepsKeys } from "../decoder/decoder.ts";
import type { LayerRange } from "../state/kv-group.ts";
import {
  afterKey,
  blockOf,
  blocks,
  denseGraphs,
  formKey,
  type LayerForm,
  layersKey,
  spansOf,
  type WeightForm,
} from "./dense-graphs.ts";
import {
  attentionKind,
  type FillScope,
  traceAfter,
  traceAttention,
  traceBefore,
  traceBetween,
  traceExitHead,
  traceFill,
  traceLayers,
  traceLikelihoods,
  traceProbe,
} from "./segments.ts";
import type { CompiledProbe, ExitHead, StepProbe } from "./step-probe.ts";

/** The same decoder with weights in a different form. */
interface OtherForm {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

type OpenBytes = (form: ByteForm) => OtherForm;

/** Layers `from` to `to` − 1 as one program. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  readonly program: Program;
}

/** Programs by key. */
type ProgramCache = Map<string, Program>;

/**
 * A compiled decoder. Compiled at the start: the embedding, the stack in blocks of layers, any part after the last
 * attention, and the head. Finer segments, the pieces around attention and fills are compiled when a plan first needs
 * them. All share one copy of the weights.
 */
export class DecoderPrograms implements Disposable {
  /** The cost of the embedding and the stack, up to its last attention. */
  readonly stackCost: Cost;
  /** The cost of everything after the last attention, including the head. */
  readonly headCost: Cost;
  /** The cuts whose segments are compiled. */
  readonly #cuts = new Set<string>();
  readonly #costs = new Map<string, Cost>();
  readonly #pending = new Map<string, Promise<Program>>();
  readonly #probes = new Map<string, Promise<CompiledProbe>>();
  readonly #inBytes = new Map<string, OtherForm>();

  private constructor(
    readonly decoder: Decoder,
    private readonly compiled: ProgramCache,
    private readonly shared: SharedWeights | undefined,
    readonly device: Device,
    private readonly openBytes: OpenBytes | undefined,
  ) {
    const dense = blocks(decoder).map(({ from, to }) => this.get(layersKey(from, to)).cost);
    this.stackCost = sumCosts([this.embedding.cost, ...dense]);
    this.headCost = sumCosts([...(this.tail ? [this.tail.cost] : []), this.head.cost]);
  }

  /**
   * `shared`: weights shared with other decoders' programs, which must not run while these compile. `openBytes` opens
   * the decoder with byte weights.
   */
  static async compile(
    decoder: Decoder,
    weights: Weights,
    shared?: SharedWeights,
    device: Device = "cpu",
    openBytes?: OpenBytes,
  ): Promise<DecoderPrograms> {
    const dense = denseGraphs(decoder);
    const graphs = prepare(weights, () => dense.map(({ trace }) => trace()));
    const programs = await Promise.all(dense.map(({ block }, i) => compiled(graphs[i]!, block, { shared, device })));
    return new DecoderPrograms(
      decoder,
      new Map(dense.map(({ key }, i) => [key, programs[i]!])),
      shared,
      device,
      openBytes,
    );
  }

  get embedding(): Program {
    return this.get("embedding");
  }

  /** The program after the last layer's attention; undefined if that layer is recurrent and ends the stack. */
  get tail(): Program | undefined {
    return endsInAttention(this.decoder.config) ? this.get(afterKey(this.decoder.config.layers - 1)) : undefined;
  }

  /** The head, which runs on the stream after any layer. */
  get head(): Program {
    return this.get("head");
  }

  /** Layers `from` to `to` − 1 as segments, divided at `cuts`. @throws Error without an earlier `prepareCuts` */
  segments(from: number, to: number, cuts: readonly number[], form: LayerForm = "own"): Segment[] {
    return spansOf(this.decoder, [...cuts, from, to])
      .filter((span) => span.from >= from && span.to <= to)
      .map((span) => ({ ...span, program: this.get(layersKey(span.from, span.to, form)) }));
  }

  /** The total cost of the segments that `segments` returns. */
  costOf(from: number, to: number, cuts: readonly number[], form: LayerForm = "own"): Cost {
    const key = [formKey(form), from, to, ...cuts].join(" ");
    const segments = () => this.segments(from, to, cuts, form);
    const known = this.#costs.get(key) ?? sumCosts(segments().map(({ program }) => program.cost));
    this.#costs.set(key, known);
    return known;
  }

  /** Compiles the segments for cuts at these depths. */
  async prepareCuts(cuts: readonly number[]): Promise<void> {
    const key = cuts.join(" ");
    if (cuts.length === 0 || this.#cuts.has(key)) return;
    for (const { from, to } of spansOf(this.decoder, cuts))
      await this.#ask(layersKey(from, to), blockOf(from), () => traceLayers(this.decoder, from, to));
    this.#cuts.add(key);
  }

  /** Compiles the layers for image tokens, cut at these depths. */
  async prepareImages(cuts: readonly number[]): Promise<void> {
    for (const { from, to } of spansOf(this.decoder, cuts))
      await this.#ask(layersKey(from, to, "images"), blockOf(from), () =>
        traceLayers(this.decoder, from, to, { images: true }),
      );
  }

  /** Compiles the layers for each of these counts of tokens whose attention runs separately. */
  async prepareApart(counts: readonly number[]): Promise<void> {
    for (const apart of counts)
      for (const { from, to } of blocks(this.decoder))
        await this.#ask(layersKey(from, to, { apart }), blockOf(from), () =>
          traceLayers(this.decoder, from, to, { apart }),
        );
  }

  /** True if the programs for this number of tokens are compiled. */
  hasApart(count: number): boolean {
    const { from, to } = blocks(this.decoder).at(-1)!;
    return this.compiled.has(layersKey(from, to, { apart: count }));
  }

  /** The cost of the embedding and the stack for image tokens, compiled or not. */
  get imagesCost(): Cost {
    const key = "images";
    const { decoder, embedding } = this;
    const traced = () => graphCost(traceLayers(decoder, 0, decoder.config.layers, { images: true }));
    const known = this.#costs.get(key) ?? sumCosts([embedding.cost, traced()]);
    this.#costs.set(key, known);
    return known;
  }

  /** Compiles the layers with byte weights, cut at these depths. @throws Error if the decoder has no 8-bit weights */
  async prepareBytes(form: ByteForm, cuts: readonly number[]): Promise<void> {
    const spans = spansOf(this.decoder, cuts);
    if (spans.every(({ from, to }) => this.compiled.has(layersKey(from, to, form)))) return;
    const { decoder, weights } = this.#openedInBytes(form);
    const graphs = prepare(weights, () => spans.map(({ from, to }) => traceLayers(decoder, from, to)));
    for (const [i, { from, to }] of spans.entries())
      await this.#ask(layersKey(from, to, form), blockInBytes(from, form), () => graphs[i]!);
  }

  #openedInBytes(form: ByteForm): OtherForm {
    const key = byteFormKey(form);
    const known = this.#inBytes.get(key) ?? this.openBytes?.(form);
    if (!known) throw new Error("the decoder has no 8-bit weights");
    this.#inBytes.set(key, known);
    return known;
  }

  /** The program from the residual stream to a layer's attention. */
  before(layer: number, form: WeightForm = "own"): Promise<Program> {
    return this.#piece(`before ${layer}`, layer, form, (decoder) => traceBefore(decoder, layer));
  }

  /** The program from the previous layer's attention to that of `layer`, with a share of the feed-forward's neurons. */
  between(layer: number, share = 1, form: WeightForm = "own"): Promise<Program> {
    const key = share === 1 ? `between ${layer}` : `between ${layer} ${share}`;
    return this.#piece(key, layer, form, (decoder) => traceBetween(decoder, layer, share));
  }

  /** The program from a layer's attention to the stream after the layer, with a share of the feed-forward's neurons. */
  after(layer: number, share = 1, form: WeightForm = "own"): Promise<Program> {
    const key = share === 1 ? afterKey(layer) : `${afterKey(layer)} ${share}`;
    return this.#piece(key, layer, form, (decoder) => traceAfter(decoder, layer, share));
  }

  /** Compiles a piece between attentions on first use. */
  #piece(key: string, layer: number, form: WeightForm, trace: (decoder: Decoder) => Graph): Promise<Program> {
    if (form === "own") return this.#ask(key, blockOf(layer), () => trace(this.decoder));
    const { decoder, weights } = this.#openedInBytes(form);
    const graph = () => prepare(weights, () => [trace(decoder)])[0]!;
    return this.#ask(`${key} ${byteFormKey(form)}`, blockInBytes(layer, form), graph);
  }

  /** The program of a layer's dense attention, which layers with equal attention share. */
  attention(layer: number): Promise<Program> {
    const kind = attentionKind(this.decoder, layer);
    return this.#ask(`attention ${kind}`, undefined, () => traceAttention(this.decoder, layer));
  }

  /** The cost of a layer's dense attention, compiled or not. */
  attentionCost(layer: number): Cost {
    const key = `attention ${attentionKind(this.decoder, layer)}`;
    const known = this.#costs.get(key) ?? graphCost(traceAttention(this.decoder, layer));
    this.#costs.set(key, known);
    return known;
  }

  /**
   * Programs that compute, block by block, the state of layers from `from` on (all, or only the recurrent ones), using
   * the stream before layer `from`.
   */
  fills(from: number, filled: FillScope = "all"): Promise<Segment[]> {
    const { decoder } = this;
    const spans = spansOf(decoder, [from]).filter((span) => span.from >= from && isFilled(decoder, span, filled));
    const key = filled === "all" ? "fill" : `fill ${filled}`;
    // The keys of layers at any depth are computed from the stream before `from`.
    return Promise.all(
      spans.map(async ({ from: first, to }) => ({
        ...{ from: first, to },
        program: await this.#ask(`${key} ${first} ${to}`, blockOf(first), () => traceFill(decoder, first, to, filled)),
      })),
    );
  }

  /** Programs for recurrent layers `from` to `to` − 1, between attention layers that run piece by piece. */
  recurrent(from: number, to: number): Promise<Segment[]> {
    const spans = spansOf(this.decoder, [from, to]).filter((span) => span.from >= from && span.to <= to);
    const trace = (span: LayerRange) => () => traceLayers(this.decoder, span.from, span.to);
    return Promise.all(
      spans.map(async (span) => ({
        ...span,
        program: await this.#ask(layersKey(span.from, span.to), blockOf(span.from), trace(span)),
      })),
    );
  }

  /** The program of an exit's head. */
  exitHead(head: ExitHead): Promise<Program> {
    return this.#ask(`exit head ${head.key}`, sharedBlock(head), () => traceExitHead(this.decoder, head));
  }

  /** The programs of a step's probe. */
  probe(probe: StepProbe): Promise<CompiledProbe> {
    const known = this.#probes.get(probe.key) ?? this.#makeProbe(probe);
    this.#probes.set(probe.key, known);
    return known;
  }

  async #makeProbe(probe: StepProbe): Promise<CompiledProbe> {
    const { key, stateSize = 0 } = probe;
    try {
      const { graph, reader, width, hasLogits } = traceProbe(this.decoder, probe);
      const program = await this.#ask(`probe ${key}`, sharedBlock(probe), () => graph);
      const prompts = reader && (await this.#ask(`probe of prompts ${key}`, undefined, () => reader));
      return { program, reader: prompts, width, hasLogits, stateSize };
    } catch (error) {
      this.#probes.delete(key);
      throw error;
    }
  }

  /** The program of a head that scores only the target tokens, so that no logits are copied. */
  likelihoods(): Promise<Program> {
    return this.#ask("likelihoods", "head", () => traceLikelihoods(this.decoder));
  }

  /** Drops the token table's pages that a prompt has read. */
  dropTables(): void {
    this.shared?.dropTables();
  }

  private get(key: string): Program {
    const program = this.compiled.get(key);
    if (program) return program;
    throw new Error(`the program "${key}" was not compiled`);
  }

  #ask(key: string, block: string | undefined, trace: () => Graph): Promise<Program> {
    const known = this.#pending.get(key) ?? this.#make(key, block, trace);
    this.#pending.set(key, known);
    return known;
  }

  async #make(key: string, block: string | undefined, trace: () => Graph): Promise<Program> {
    const known = this.compiled.get(key);
    if (known) return known;
    try {
      const program = await compiled(trace(), block, { shared: this.shared, device: this.device });
      this.compiled.set(key, program);
      return program;
    } catch (error) {
      this.#pending.delete(key);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const program of this.compiled.values()) program[Symbol.dispose]();
    for (const [key, program] of this.#pending)
      if (!this.compiled.has(key)) void program.then((p) => p[Symbol.dispose]()).catch(() => {});
  }
}

/** True if this kind of fill applies to any layer of a span. */
function isFilled({ config }: Decoder, { from, to }: LayerRange, filled: FillScope): boolean {
  const serves = (layer: number) => isRecurrent(config, layer) || (filled === "all" && keepsKeys(config, layer));
  return Array.from({ length: to - from }, (_, i) => from + i).some(serves);
}

const blockInBytes = (layer: number, form: ByteForm): string => `${blockOf(layer)} ${byteFormKey(form)}`;

/** Programs that read the model's head share its packed weights. */
const sharedBlock = ({ shared }: { readonly shared?: boolean }): string | undefined => (shared ? "head" : undefined);

/** The source of a decoder's weights. */
interface Home {
  readonly shared: SharedWeights | undefined;
  readonly device: Device;
}

/**
 * Drops packed file pages immediately: if they stayed until the other compilations end, they would determine the
 * process's peak memory. A program without weights belongs to no block.
 */
async function compiled(graph: Graph, block: string | undefined, { shared, device }: Home): Promise<Program> {
  if (block === undefined) return Program.compile(graph, "shared", undefined, "", device);
  const program = await Program.compile(graph, "shared", shared, block, device);
  shared?.settle();
  return program;
}

/** Traces the graphs, and commits the prepared weights; a failure leaves nothing half-written. */
export function prepare(weights: Weights, trace: () => Graph[]): Graph[] {
  weights.review(trace);
  try {
    const graphs = trace();
    weights.checkAdapter();
    weights.commit();
    return graphs;
  } catch (error) {
    weights.abandon();
    throw error;
  }
}
