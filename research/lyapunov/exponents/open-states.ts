import { type Changes, DECAY, type Graph, gatedScans, rebuilt } from "../../../src/graph/index.ts";
import { type Decoder, type DecoderConfig, headsOf, layersOf } from "../../../src/models/decoder/decoder.ts";
import { exportedDecoder } from "../../../src/models/programs/export-graphs.ts";
import { prepare } from "../../../src/models/programs/programs.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { type Binding, Program } from "../../../src/runtime/program.ts";
import type { Weights } from "../../../src/weights/prepared/weights.ts";

/** A model with recurrent layers, and its weights. */
export interface Recurrent {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

/** The scan's part of a recurrent layer's state: the end, after the convolution's part. */
export interface ScanPart {
  /** The layer's number in the model. */
  readonly layer: number;
  /** The state's width, and the width before the scan's part. */
  readonly floats: number;
  readonly from: number;
  /** Log decays per token; 0: the layer is not a state space, and all of its state belongs to the scan. */
  readonly decays: number;
  /** Adjacent elements of the scan's state that share a decay. */
  readonly share: number;
}

export interface OpenStatesOptions {
  /** Parallel sequences. */
  readonly rows: number;
  /** Maximum tokens per run. */
  readonly tokens: number;
  /** Maximum tokens of all runs together: attention layers keep them all. */
  readonly length: number;
  /** True to read ΔA of every layer and token. */
  readonly decays?: boolean;
  /** Changes to the model's graph. */
  readonly changes?: Changes;
}

/** A model whose recurrent layers' states, and ΔA, are accessible between runs. Layers are counted among the recurrent ones. */
export class OpenStates implements Disposable {
  readonly vocabulary: number;
  readonly #ids: Buffer;
  readonly #logits: Buffer;
  readonly #before: readonly Buffer[];
  readonly #after: readonly Buffer[];
  readonly #decays: readonly Buffer[];
  readonly #caches: readonly OpenCache[];

  private constructor(
    private readonly program: Program,
    readonly scans: readonly ScanPart[],
    config: DecoderConfig,
    { rows, tokens, length, decays = false }: OpenStatesOptions,
  ) {
    const { vocabulary } = config;
    this.vocabulary = vocabulary;
    const states = () => scans.map(({ floats }) => new Buffer("f32", rows * floats));
    this.#ids = new Buffer("i64", rows * tokens);
    this.#logits = new Buffer("f32", rows * tokens * vocabulary);
    [this.#before, this.#after] = [states(), states()];
    this.#decays = decays ? scans.map((scan) => new Buffer("f32", rows * tokens * scan.decays)) : [];
    this.#caches = layersOf(config, "attention").map((layer) => new OpenCache(config, layer, rows * length));
    this.reset();
  }

  static async open({ decoder, weights }: Recurrent, options: OpenStatesOptions): Promise<OpenStates> {
    const [graph] = prepare(weights, () => [exportedDecoder(decoder)]);
    const scans = scanParts(graph!, decoder);
    if (options.decays)
      for (const [l, { inputs }] of gatedScans(graph!).entries()) graph!.output(`decays.${l}`, inputs[DECAY]!);
    const program = await Program.compile(rebuilt(graph!, options.changes ?? {}));
    return new OpenStates(program, scans, decoder.config, options);
  }

  /** Resets all states to those before the first token. */
  reset(): void {
    for (const buffer of this.#before) new Float32Array(buffer.memory).fill(0);
    for (const cache of this.#caches) cache.past = 0;
  }

  /** A row's state in a layer: the memory itself, read by the next run. */
  state(layer: number, row: number): Float32Array {
    const { floats } = this.scans[layer]!;
    return new Float32Array(this.#before[layer]!.memory, 4 * row * floats, floats);
  }

  /** Its part of the scan. */
  scan(layer: number, row: number): Float32Array {
    return this.state(layer, row).subarray(this.scans[layer]!.from);
  }

  /** Runs each row's next tokens, equally many. */
  async run(rows: readonly (readonly number[])[]): Promise<void> {
    // Several rows attend to earlier runs one token at a time.
    const apart = rows.length > 1 && this.#caches.some(({ past }) => past > 0);
    if (!apart) return this.#run(rows);
    for (const t of rows[0]!.keys()) await this.#run(rows.map((row) => [row[t]!]));
  }

  async #run(rows: readonly (readonly number[])[]): Promise<void> {
    const [count, tokens] = [rows.length, rows[0]!.length];
    new BigInt64Array(this.#ids.memory).set(rows.flat().map(BigInt));
    const decays = this.#decays.map((buffer, l) => [
      `decays.${l}`,
      buffer.view([count, tokens, this.scans[l]!.decays]),
    ]);
    const state = (l: number) => [count, this.scans[l]!.floats];
    await this.program
      .bind({
        input_ids: this.#ids.view([count, tokens]),
        logits: this.#logits.view([count, tokens, this.vocabulary]),
        ...this.#states(this.#before, "past_states", state),
        ...this.#states(this.#after, "present_states", state),
        ...Object.assign({}, ...this.#caches.map((cache) => cache.views(count, tokens))),
        ...Object.fromEntries(decays),
      })
      .run();
    for (const [l, buffer] of this.#before.entries())
      new Float32Array(buffer.memory).set(new Float32Array(this.#after[l]!.memory));
    for (const cache of this.#caches) cache.grow(tokens);
  }

  #states(buffers: readonly Buffer[], name: string, shape: (l: number) => readonly number[]): Binding {
    return Object.fromEntries(buffers.map((buffer, l) => [`${name}.${this.scans[l]!.layer}`, buffer.view(shape(l))]));
  }

  /** ΔA [tokens, decays] of the last run of one row of `tokens`; the next run overwrites it. */
  decays(layer: number, tokens: number): Float32Array {
    return new Float32Array(this.#decays[layer]!.memory, 0, tokens * this.scans[layer]!.decays);
  }

  /**
   * Logits [rows, tokens, vocabulary] of the last run, or of its last token in a hybrid of several rows; the next run
   * overwrites them.
   */
  get logits(): Float32Array {
    return new Float32Array(this.#logits.memory);
  }

  [Symbol.dispose](): void {
    const buffers = [this.#ids, this.#logits, ...this.#before, ...this.#after, ...this.#decays, ...this.#caches];
    for (const part of [this.program, ...buffers]) part[Symbol.dispose]();
  }
}

/** Keys and values of an attention layer: each run writes them again, extended by its tokens. */
class OpenCache implements Disposable {
  past = 0;
  /** The states before a run and after it. */
  #buffers: readonly Record<"key" | "value", Buffer>[];

  constructor(
    private readonly config: DecoderConfig,
    private readonly layer: number,
    /** The tokens of all rows. */
    tokens: number,
  ) {
    const { kvHeads, headSize } = headsOf(config, layer);
    const heads = () => new Buffer("f32", tokens * kvHeads * headSize);
    this.#buffers = [0, 1].map(() => ({ key: heads(), value: heads() }));
  }

  views(rows: number, tokens: number): Binding {
    const { kvHeads, headSize } = headsOf(this.config, this.layer);
    const [before, after] = this.#buffers;
    const named = (of: "key" | "value") => [
      [`past_key_values.${this.layer}.${of}`, before![of].view([rows, kvHeads, this.past, headSize])],
      [`present.${this.layer}.${of}`, after![of].view([rows, kvHeads, this.past + tokens, headSize])],
    ];
    return Object.fromEntries([...named("key"), ...named("value")]);
  }

  grow(tokens: number): void {
    this.past += tokens;
    this.#buffers = this.#buffers.toReversed();
  }

  [Symbol.dispose](): void {
    for (const { key, value } of this.#buffers) for (const buffer of [key, value]) buffer[Symbol.dispose]();
  }
}

function scanParts(graph: Graph, { config }: Decoder): ScanPart[] {
  const scans = gatedScans(graph);
  const layers = layersOf(config, "recurrent");
  if (scans.length === 0)
    return layers.map((layer) => ({ layer, floats: config.recurrent!(layer)!, from: 0, decays: 0, share: 1 }));
  return scans.map(({ inputs }, l) => {
    const layer = layers[l]!;
    const elements = inputs[3]!.shape.slice(1).reduce<number>((product, n) => product * Number(n), 1);
    const floats = config.recurrent!(layer)!;
    const decays = Number(inputs[DECAY]!.shape[2]);
    return { layer, floats, from: floats - elements, decays, share: elements / decays };
  });
}
