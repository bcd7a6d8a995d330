import { type Cost, type Graph, graphCost } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { type DenoiserCache, traceDenoiser } from "../../models/programs/denoiser-graphs.ts";
import { prepare } from "../../models/programs/programs.ts";
import { mapsFiles } from "../../runtime/mapped-file.ts";
import { Program } from "../../runtime/program.ts";
import { SharedWeights } from "../../runtime/shared-weights.ts";
import type { Weights } from "../../weights/prepared/weights.ts";

/** The passes of a model that fills in masks, compiled on first use if they have a cache. All share the weights. */
export class DenoiserPrograms implements Disposable {
  readonly #compiled = new Map<DenoiserCache, Promise<Program>>();
  readonly #shared = mapsFiles ? new SharedWeights() : undefined;
  /** The cost of a pass without a cache. */
  readonly dense: Cost;

  private constructor(
    readonly decoder: Decoder,
    private readonly graphs: Readonly<Record<DenoiserCache, Graph>>,
  ) {
    this.dense = graphCost(graphs.none);
  }

  static async compile(decoder: Decoder, weights: Weights): Promise<DenoiserPrograms> {
    const caches = ["none", "written", "read"] as const;
    const [none, written, read] = prepare(weights, () => caches.map((cache) => traceDenoiser(decoder, cache)));
    const programs = new DenoiserPrograms(decoder, { none: none!, written: written!, read: read! });
    try {
      await programs.of("none");
      return programs;
    } catch (error) {
      programs[Symbol.dispose]();
      throw error;
    }
  }

  of(cache: DenoiserCache): Promise<Program> {
    const known = this.#compiled.get(cache) ?? Program.compile(this.graphs[cache], "shared", this.#shared, "denoiser");
    this.#compiled.set(cache, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const program of this.#compiled.values())
      program.then(
        (compiled) => compiled[Symbol.dispose](),
        () => {},
      );
    this.#shared?.[Symbol.dispose]();
  }
}
