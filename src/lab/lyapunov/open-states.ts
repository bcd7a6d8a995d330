import { type Changes, DECAY, type Graph, gatedScans, rebuilt } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { exportedDecoder } from "../../models/programs/export-graphs.ts";
import { prepare } from "../../models/programs/programs.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { Weights } from "../../weights/prepared/weights.ts";

/** A recurrent model and its weights. */
export interface Recurrent {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

/** The scan's part of a layer's state: it ends the state, behind the convolution's. */
export interface ScanPart {
  /** Numbers of the whole state, and those before the scan's. */
  readonly floats: number;
  readonly from: number;
  /** Logarithms of what is kept, for each token; 0: the layer is no state space, and all of its state is the scan's. */
  readonly decays: number;
  /** Elements of the scan's state that share one of them, side by side. */
  readonly share: number;
}

export interface OpenStatesOptions {
  /** Sequences that run beside each other. */
  readonly rows: number;
  /** Tokens of one run at most. */
  readonly tokens: number;
  /** True if ΔA of every layer and token is read. */
  readonly decays?: boolean;
  /** Changes to the model's graph. */
  readonly changes?: Changes;
}

/** A recurrent model whose layers' states, and ΔA, lie open between runs. */
export class OpenStates implements Disposable {
  readonly #ids: Buffer;
  readonly #logits: Buffer;
  readonly #before: readonly Buffer[];
  readonly #after: readonly Buffer[];
  readonly #decays: readonly Buffer[];

  private constructor(
    private readonly program: Program,
    readonly scans: readonly ScanPart[],
    readonly vocabulary: number,
    { rows, tokens, decays = false }: OpenStatesOptions,
  ) {
    const states = () => scans.map(({ floats }) => new Buffer("f32", rows * floats));
    this.#ids = new Buffer("i64", rows * tokens);
    this.#logits = new Buffer("f32", rows * tokens * vocabulary);
    [this.#before, this.#after] = [states(), states()];
    this.#decays = decays ? scans.map((scan) => new Buffer("f32", rows * tokens * scan.decays)) : [];
    this.reset();
  }

  static async open({ decoder, weights }: Recurrent, options: OpenStatesOptions): Promise<OpenStates> {
    const [graph] = prepare(weights, () => [exportedDecoder(decoder)]);
    const scans = scanParts(graph!, decoder);
    if (options.decays)
      for (const [l, { inputs }] of gatedScans(graph!).entries()) graph!.output(`decays.${l}`, inputs[DECAY]!);
    const program = await Program.compile(rebuilt(graph!, options.changes ?? {}));
    return new OpenStates(program, scans, decoder.config.vocabulary, options);
  }

  /** Sets all states to those before the first token. */
  reset(): void {
    for (const buffer of this.#before) new Float32Array(buffer.memory).fill(0);
  }

  /** A row's state in a layer: the memory itself, which the next run reads. */
  state(layer: number, row: number): Float32Array {
    const { floats } = this.scans[layer]!;
    return new Float32Array(this.#before[layer]!.memory, 4 * row * floats, floats);
  }

  /** Its part of the scan. */
  scan(layer: number, row: number): Float32Array {
    return this.state(layer, row).subarray(this.scans[layer]!.from);
  }

  /** Runs the rows' next tokens, as many in each. */
  async run(rows: readonly (readonly number[])[]): Promise<void> {
    const [count, tokens] = [rows.length, rows[0]!.length];
    new BigInt64Array(this.#ids.memory).set(rows.flat().map(BigInt));
    const each = (buffers: readonly Buffer[], name: string, shape: (l: number) => readonly number[]) =>
      Object.fromEntries(buffers.map((buffer, l) => [`${name}.${l}`, buffer.view(shape(l))]));
    const state = (l: number) => [count, this.scans[l]!.floats];
    await this.program
      .bind({
        input_ids: this.#ids.view([count, tokens]),
        logits: this.#logits.view([count, tokens, this.vocabulary]),
        ...each(this.#before, "past_states", state),
        ...each(this.#after, "present_states", state),
        ...each(this.#decays, "decays", (l) => [count, tokens, this.scans[l]!.decays]),
      })
      .run();
    for (const [l, buffer] of this.#before.entries())
      new Float32Array(buffer.memory).set(new Float32Array(this.#after[l]!.memory));
  }

  /** ΔA [tokens, decays] of the last run of one row of `tokens`: overwritten by the next. */
  decays(layer: number, tokens: number): Float32Array {
    return new Float32Array(this.#decays[layer]!.memory, 0, tokens * this.scans[layer]!.decays);
  }

  /** Logits [rows, tokens, vocabulary] of the last run: overwritten by the next. */
  get logits(): Float32Array {
    return new Float32Array(this.#logits.memory);
  }

  [Symbol.dispose](): void {
    const buffers = [this.#ids, this.#logits, ...this.#before, ...this.#after, ...this.#decays];
    for (const part of [this.program, ...buffers]) part[Symbol.dispose]();
  }
}

function scanParts(graph: Graph, { config }: Decoder): ScanPart[] {
  const scans = gatedScans(graph);
  if (scans.length === 0)
    return Array.from({ length: config.layers }, (_, l) => {
      return { floats: config.recurrent!(l)!, from: 0, decays: 0, share: 1 };
    });
  return scans.map(({ inputs }, layer) => {
    const elements = inputs[3]!.shape.slice(1).reduce<number>((product, n) => product * Number(n), 1);
    const floats = config.recurrent!(layer)!;
    const decays = Number(inputs[DECAY]!.shape[2]);
    return { floats, from: floats - elements, decays, share: elements / decays };
  });
}
