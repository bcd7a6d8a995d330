import { type Cost, type Graph, sumCosts } from "../graph/index.ts";
import { Program } from "../runtime/program.ts";
import type { SharedWeights } from "../runtime/shared-weights.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import type { Decoder } from "./decoder.ts";
import { attentionKind, traceAttention, traceBefore, traceHead, traceLayers, traceLikelihoods } from "./segments.ts";

/** Layers of one program of the stack: few enough that a decode step of a small model leaves the event loop its turns, enough that they cost little. */
const LAYERS_AT_ONCE = 5;

/** A decoder compiled: the stack to its last attention, and the head with what follows that, at once; the pieces around attention when a saving first asks for them. */
export class DecoderPrograms implements Disposable {
  /** Of the stack, to its last attention. */
  readonly stackCost: Cost;
  readonly #pieces = new Map<number, Promise<Program>>();
  readonly #attentions = new Map<string, Promise<Program>>();

  #likelihoods: Promise<Program> | undefined;

  private constructor(
    readonly decoder: Decoder,
    /** One after the other, all layers to the last one's attention. */
    readonly stack: readonly Program[],
    readonly head: Program,
    private readonly shared: SharedWeights | undefined,
  ) {
    this.stackCost = sumCosts(stack.map((p) => p.cost));
  }

  /** `shared` are weights that it has together with the programs of other decoders, none of which may run meanwhile. */
  static async compile(decoder: Decoder, weights: Weights, shared?: SharedWeights): Promise<DecoderPrograms> {
    const graphs = prepare(weights, () => [...traceStack(decoder), traceHead(decoder)]);
    const programs = await Promise.all(graphs.map((g) => compiled(g, shared)));
    return new DecoderPrograms(decoder, programs.slice(0, -1), programs.at(-1)!, shared);
  }

  /** Frees what a prompt has left of the table of tokens in memory. */
  dropTables(): void {
    this.shared?.dropTables();
  }

  /** What leads from the attention of the layer before to that of `layer`. */
  before(layer: number): Promise<Program> {
    const known = this.#pieces.get(layer) ?? Program.compile(traceBefore(this.decoder, layer));
    this.#pieces.set(layer, known);
    return known;
  }

  /** A layer's dense attention by itself; layers that attend alike share the program. */
  attention(layer: number): Promise<Program> {
    const kind = attentionKind(this.decoder, layer);
    const known = this.#attentions.get(kind) ?? Program.compile(traceAttention(this.decoder, layer));
    this.#attentions.set(kind, known);
    return known;
  }

  /** The head, and what it says of given tokens alone: logits stay where they are. */
  likelihoods(): Promise<Program> {
    this.#likelihoods ??= Program.compile(traceLikelihoods(this.decoder));
    return this.#likelihoods;
  }

  [Symbol.dispose](): void {
    for (const program of [...this.stack, this.head]) program[Symbol.dispose]();
    const later = [...this.#pieces.values(), ...this.#attentions.values(), this.#likelihoods];
    for (const program of later) void program?.then((p) => p[Symbol.dispose]());
  }
}

/** Settled at once: while others compile, the file's pages that this one has packed would be the peak of the process's memory. */
async function compiled(graph: Graph, shared: SharedWeights | undefined): Promise<Program> {
  const program = await Program.compile(graph, "shared", shared);
  shared?.settle();
  return program;
}

function traceStack(decoder: Decoder): Graph[] {
  const { layers } = decoder.config;
  const starts = Array.from({ length: Math.ceil(layers / LAYERS_AT_ONCE) }, (_, i) => i * LAYERS_AT_ONCE);
  return starts.map((from) => traceLayers(decoder, from, Math.min(from + LAYERS_AT_ONCE, layers)));
}

/** Traces, and makes permanent the weights that tracing prepared; on failure nothing half-written stays. */
export function prepare(weights: Weights, trace: () => Graph[]): Graph[] {
  weights.review(trace);
  try {
    const graphs = trace();
    weights.branches?.check(weights.checkpoint.path);
    weights.commit();
    return graphs;
  } catch (error) {
    weights.abandon();
    throw error;
  }
}
