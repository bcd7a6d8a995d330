import { Graph, matmul, plus, reshape, softmax, type Tensor, times } from "../../../src/graph/index.ts";
import type { Decoder } from "../../../src/models/decoder/decoder.ts";
import { prepare } from "../../../src/models/programs/programs.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import type { Vector } from "./benettin.ts";
import type { Recurrent } from "./open-states.ts";

/** Parallel trajectories. */
const ROWS = 2;

/** How a step's logits become its next input. */
export interface Feedback {
  /** Added to the logits, [vocabulary]. */
  readonly noise: Float32Array;
  readonly temperature: number;
}

/**
 * A recurrent model's step with soft feedback of its prediction: the next input is the mean embedding of
 * softmax((logits + noise) / temperature). A state holds all layers' states, end to end, then the input.
 */
export class FeedbackStep implements Disposable {
  readonly #inputs: Readonly<Record<string, Buffer>>;
  readonly #outputs: readonly Buffer[];

  private constructor(
    private readonly program: Program,
    /** Token embeddings [vocabulary, hidden]. */
    private readonly table: Buffer,
    private readonly widths: readonly number[],
    readonly vocabulary: number,
  ) {
    const parts = widths.map((width, i) => [nameOf(widths, i), new Buffer("f32", ROWS * width)] as const);
    this.#inputs = {
      ...Object.fromEntries(parts),
      ...{ noise: new Buffer("f32", vocabulary), sharpness: new Buffer("f32", 1) },
    };
    this.#outputs = widths.map((width) => new Buffer("f32", ROWS * width));
  }

  static async open({ decoder, weights }: Recurrent): Promise<FeedbackStep> {
    const { layers, hidden, vocabulary, recurrent } = decoder.config;
    const [graph, embedding] = prepare(weights, () => [traced(decoder), embeddings(decoder)]);
    const table = new Buffer("f32", vocabulary * hidden);
    const ids = new Buffer("i64", vocabulary);
    new BigInt64Array(ids.memory).set(Array.from({ length: vocabulary }, (_, id) => BigInt(id)));
    using program = await Program.compile(embedding!);
    await program.bind({ ids: ids.view([1, vocabulary]), table: table.view([1, vocabulary, hidden]) }).run();
    ids[Symbol.dispose]();
    const widths = [...Array.from({ length: layers }, (_, l) => recurrent!(l)!), hidden];
    return new FeedbackStep(await Program.compile(graph!), table, widths, vocabulary);
  }

  /** The state before the first token, whose input is `id`. */
  start(id: number): Vector {
    return this.withInput(new Float64Array(this.widths.reduce((sum, width) => sum + width, 0)), id);
  }

  /** The same state with a token as its input. */
  withInput(state: Vector, id: number): Vector {
    const hidden = this.widths.at(-1)!;
    const changed = state.slice();
    changed.set(new Float32Array(this.table.memory, 4 * id * hidden, hidden), state.length - hidden);
    return changed;
  }

  /** Steps both states. */
  async next(a: Vector, b: Vector, { noise, temperature }: Feedback): Promise<readonly [Vector, Vector]> {
    const { widths } = this;
    this.#fill(a, 0);
    this.#fill(b, 1);
    this.#memory("noise").set(noise);
    this.#memory("sharpness")[0] = 1 / temperature;
    const last = widths.length - 1;
    const shape = (i: number) => (i === last ? [ROWS, 1, widths[i]!] : [ROWS, widths[i]!]);
    const views = (buffers: readonly Buffer[], suffix: string) =>
      Object.fromEntries(buffers.map((buffer, i) => [nameOf(widths, i) + suffix, buffer.view(shape(i))]));
    const inputs = widths.map((_, i) => this.#inputs[nameOf(widths, i)]!);
    await this.program
      .bind({
        ...views(inputs, ""),
        ...views(this.#outputs, "Out"),
        table: this.table.view([this.vocabulary, widths[last]!]),
        noise: this.#inputs["noise"]!.view([this.vocabulary]),
        sharpness: this.#inputs["sharpness"]!.view([]),
      })
      .run();
    return [this.#row(0, a.length), this.#row(1, a.length)];
  }

  #memory(name: string): Float32Array {
    return new Float32Array(this.#inputs[name]!.memory);
  }

  #fill(state: Vector, row: number): void {
    let at = 0;
    for (const [i, width] of this.widths.entries()) {
      this.#memory(nameOf(this.widths, i)).set(state.subarray(at, at + width), row * width);
      at += width;
    }
  }

  #row(row: number, size: number): Vector {
    const state = new Float64Array(size);
    let at = 0;
    for (const [i, width] of this.widths.entries()) {
      state.set(new Float32Array(this.#outputs[i]!.memory, 4 * row * width, width), at);
      at += width;
    }
    return state;
  }

  [Symbol.dispose](): void {
    const buffers = [this.table, ...Object.values(this.#inputs), ...this.#outputs];
    for (const part of [this.program, ...buffers]) part[Symbol.dispose]();
  }
}

/** The last part is the input, the others are the layers' states. */
const nameOf = (widths: readonly number[], part: number): string =>
  part === widths.length - 1 ? "x" : `state.${part}`;

function traced(decoder: Decoder): Graph {
  const g = new Graph();
  const { layers, hidden, vocabulary, recurrent } = decoder.config;
  let stream: Parameters<Decoder["finish"]>[1] = { branch: g.input("x", "f32", [ROWS, 1, hidden]) };
  for (let l = 0; l < layers; l++) {
    const block = decoder.block(g, l);
    if (block.kind !== "recurrent") throw new Error(`layer ${l} attends`);
    const after = block.run(stream, g.input(`state.${l}`, "f32", [ROWS, recurrent!(l)!]));
    g.output(`state.${l}Out`, after.state);
    stream = after.stream;
  }
  const logits = decoder.logits(g, decoder.finish(g, stream));
  const noisy = plus(logits, g.input("noise", "f32", [vocabulary]));
  const guess: Tensor = softmax(times(noisy, g.input("sharpness", "f32", [])));
  const mean = matmul(reshape(guess, [ROWS, vocabulary]), g.input("table", "f32", [vocabulary, hidden]));
  g.output("xOut", reshape(mean, [ROWS, 1, hidden]));
  return g;
}

function embeddings(decoder: Decoder): Graph {
  const g = new Graph();
  const ids = g.input("ids", "i64", [1, decoder.config.vocabulary]);
  const refuse = () => {
    throw new Error("a recurrent model has no positions");
  };
  g.output("table", decoder.embed(g, ids, refuse));
  return g;
}
