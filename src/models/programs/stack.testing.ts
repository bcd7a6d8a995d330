import { count } from "../../graph/ndarray.ts";
import type { DType } from "../../graph/tensor.ts";
import { Buffer, type View, ViewSet } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { Weights } from "../../weights/prepared/weights.ts";
import {
  attendedWidth,
  attends,
  type Decoder,
  endsInAttention,
  inputWidth,
  isRecurrent,
  layersOf,
  qkvWidth,
  widest,
} from "../decoder/decoder.ts";
import { KvCache } from "../state/cache.ts";
import { Lengths } from "../state/lengths.ts";
import {
  traceAfter,
  traceAttention,
  traceBefore,
  traceBetween,
  traceEmbedding,
  traceHead,
  traceLayers,
} from "./segments.ts";

/** The cuts of a decoder: none, between layers, or around each attention. */
export const cuts = ["whole", "layers", "pieces"] as const;
export type Cut = (typeof cuts)[number];

/** A decoder compiled with one kind of cut and run over one sequence, to compare the cuts. */
export class Stack implements Disposable {
  #past = 0;
  readonly #cache: KvCache;
  readonly #buffers: Buffer[] = [];

  private constructor(
    readonly decoder: Decoder,
    readonly cut: Cut,
    readonly programs: readonly Program[],
    /** Weights that are inputs of the graphs. */
    private readonly inputs: Readonly<Record<string, View>>,
  ) {
    this.#cache = new KvCache(decoder.config);
    this.restart();
  }

  /** Starts a new sequence with the next tokens. */
  restart(): void {
    this.#past = 0;
    for (const layer of layersOf(this.decoder.config, "recurrent")) this.#cache.state(layer).fill(0);
  }

  /** Weights that are not constants of the graphs are bound as `inputs`, which tracing may fill. */
  static async compile(
    decoder: Decoder,
    weights: Pick<Weights, "commit"> | undefined,
    cut: Cut,
    inputs: Readonly<Record<string, View>> = {},
  ): Promise<Stack> {
    const { layers } = decoder.config;
    const graphs = {
      whole: () => [traceLayers(decoder, 0, layers)],
      layers: () => Array.from({ length: layers }, (_, l) => traceLayers(decoder, l, l + 1)),
      pieces: () => [
        ...Array.from({ length: layers }, (_, l) => (l === 0 ? traceBefore(decoder, 0) : traceBetween(decoder, l))),
        ...Array.from({ length: layers }, (_, l) => traceAttention(decoder, l)),
      ],
    }[cut]();
    const tail = endsInAttention(decoder.config) ? [traceAfter(decoder, layers - 1)] : [];
    graphs.push(traceEmbedding(decoder), ...tail, traceHead(decoder));
    weights?.commit();
    return new Stack(decoder, cut, await Promise.all(graphs.map((g) => Program.compile(g))), inputs);
  }

  /** Logits [ids, vocabulary] after each of the next tokens, whose keys and values are cached. */
  async run(ids: readonly number[]): Promise<Float32Array> {
    const tokens = ids.length;
    const { config } = this.decoder;
    const { hidden, vocabulary, layers } = config;
    const wide = (width: number) => this.#view("f32", [1, tokens, width]);
    using lengths = new Lengths(this.decoder.config, 1, tokens);
    const start = lengths.set(0, [{ entries: this.#past, positions: this.#past }], tokens);
    using set = new ViewSet();
    const views: Record<string, View> = {
      ...this.inputs,
      ids: this.#view("i64", [1, tokens], ids),
      ...lengths.views(0, 1, tokens),
      logits: wide(vocabulary),
      ...(inputWidth(config) > 0 && { layerInputs: wide(inputWidth(config)) }),
    };
    const [qkv, result] = [qkvWidth, attendedWidth].map((width) => this.#buffer("f32", tokens * widest(config, width)));
    const qkvOf = (layer: number) => ({ qkv: qkv!.view([1, tokens, qkvWidth(config, layer)]) });
    const resultOf = (layer: number) => ({ attended: result!.view([1, tokens, attendedWidth(config, layer)]) });
    // Each program reads one of two streams and writes the other; the residuals beside attention alternate likewise.
    const streams = [0, 1].map(() => ({ branch: wide(hidden), residual: wide(hidden) }));
    const besides = [wide(hidden), wide(hidden)];
    const routes = [0, 1].map(() => wide(this.decoder.config.beside ?? 1));
    const attended = (pieces: number) => ({ attendedResidual: besides[pieces % 2]!, beside: routes[pieces % 2]! });
    const stream = (index: number) => {
      const [from, to] = [streams[index % 2]!, streams[(index + 1) % 2]!];
      const out = { attendedResidualOut: besides[(index + 1) % 2]!, besideOut: routes[(index + 1) % 2]! };
      return { ...from, branchOut: to.branch, residualOut: to.residual, ...attended(index), ...out };
    };
    const caches = Object.assign(
      {},
      ...Array.from({ length: layers }, (_, l) => this.#cacheViews(l, String(l), start, set)),
    );
    const run = (program: Program, more: object) => program.bind({ ...views, ...resultOf(layers - 1), ...more }).run();
    const hasTail = endsInAttention(this.decoder.config);
    const rest = hasTail ? -3 : -2;
    const programs = this.programs.slice(0, rest);
    const [embedding, after] = this.programs.slice(rest);
    const head = this.programs.at(-1);
    await run(embedding!, stream(1));
    if (this.cut !== "pieces") {
      for (const [i, p] of programs.entries()) await run(p, { ...stream(i), ...attended(0), ...caches });
      if (hasTail) await run(after!, { ...stream(0), ...attended(0) });
    } else {
      for (let layer = 0; layer < layers; layer++) {
        const streamIn = layer === 0 ? stream(0) : { ...stream(layer), ...streams[0]! };
        const caches = this.#cacheViews(layer, "", start, set);
        const result = resultOf(Math.max(layer - 1, 0));
        await run(programs[layer]!, { ...streamIn, ...qkvOf(layer), ...result, ...caches });
        await run(programs[layers + layer]!, { ...caches, ...qkvOf(layer), ...resultOf(layer) });
      }
      await run(after!, { ...stream(0), ...attended(layers) });
    }
    await run(head!, streams[hasTail ? 1 : programs.length % 2]!);
    this.#past += tokens;
    return new Float32Array(views["logits"]!.buffer.memory).slice();
  }

  #cacheViews(layer: number, suffix: string, start: number, set: ViewSet): Record<string, View> {
    const { config } = this.decoder;
    const states = isRecurrent(config, layer) ? this.#cache.states(layer) : undefined;
    const named = states ? { [`state${layer}`]: states, [`stateOut${layer}`]: states } : {};
    if (!attends(config, layer)) return named;
    const { key, value } = this.#cache.from(layer, start, set);
    const [names, views] = [
      ["pastKey", "presentKey", "pastValue", "presentValue"],
      [key, key, value, value],
    ];
    return { ...named, ...Object.fromEntries(names.map((name, i) => [name + suffix, views[i]!])) };
  }

  #view(dtype: DType, shape: number[], values?: readonly number[]): View {
    const buffer = this.#buffer(dtype, count(shape));
    if (dtype === "i64") new BigInt64Array(buffer.memory).set((values ?? []).map(BigInt));
    return buffer.view(shape);
  }

  #buffer(dtype: DType, elements: number): Buffer {
    const buffer = new Buffer(dtype, elements);
    this.#buffers.push(buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const held of [...this.programs, ...this.#buffers, this.#cache]) held[Symbol.dispose]();
  }
}
