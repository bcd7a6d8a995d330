import type { Graph } from "../graph/index.ts";
import { Program } from "../runtime/program.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import type { Decoder } from "./decoder.ts";
import { attentionKind, traceAttention, traceBetween, traceHead, traceLayers } from "./segments.ts";

/** A decoder compiled: the whole stack and the head at once; the pieces around attention when a saving first asks for them. */
export class DecoderPrograms implements Disposable {
  readonly #pieces = new Map<number, Promise<Program>>();
  readonly #attentions = new Map<string, Promise<Program>>();

  private constructor(
    readonly decoder: Decoder,
    readonly layers: Program,
    readonly head: Program,
  ) {}

  static async compile(decoder: Decoder, weights: Weights): Promise<DecoderPrograms> {
    const graphs = prepare(weights, () => [traceLayers(decoder, 0, decoder.config.layers), traceHead(decoder)]);
    const [layers, head] = await Promise.all(graphs.map((g) => Program.compile(g)));
    return new DecoderPrograms(decoder, layers!, head!);
  }

  /** What lies between the attentions of `layer − 1` and `layer` (0 … layers). */
  between(layer: number): Promise<Program> {
    const known = this.#pieces.get(layer) ?? Program.compile(traceBetween(this.decoder, layer));
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

  [Symbol.dispose](): void {
    this.layers[Symbol.dispose]();
    this.head[Symbol.dispose]();
    for (const program of [...this.#pieces.values(), ...this.#attentions.values()])
      void program.then((p) => p[Symbol.dispose]());
  }
}

/** Traces, and makes permanent the weights that tracing prepared; on failure nothing half-written stays. */
export function prepare(weights: Weights, trace: () => Graph[]): Graph[] {
  try {
    const graphs = trace();
    weights.commit();
    return graphs;
  } catch (error) {
    weights.abandon();
    throw error;
  }
}
