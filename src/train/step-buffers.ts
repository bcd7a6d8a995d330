import type { Tensor } from "../graph/index.ts";
import { count } from "../graph/ndarray.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import type { Binding } from "../runtime/program.ts";
import type { Batch } from "./data/batch.ts";
import type { Shape } from "./graphs.ts";

/** The tensors between the programs of a step. Streams from layer `kept` on stay for the backward pass. */
export class StepBuffers implements Disposable {
  readonly #ids: Buffer;
  readonly #lengths: Buffer;
  readonly #documents: Buffer;
  readonly #streams: readonly Buffer[];
  readonly #gradients: readonly [Buffer, Buffer];
  readonly #owned: Buffer[];

  constructor(
    private readonly shape: Shape,
    private readonly hidden: number,
    private readonly layers: number,
    kept: number,
  ) {
    const { rows, tokens, packed } = shape;
    const stream = () => new Buffer("f32", rows * tokens * hidden);
    this.#ids = new Buffer("i64", rows * tokens);
    this.#lengths = new Buffer("i32", rows);
    new Int32Array(this.#lengths.memory).fill(tokens - 1);
    this.#documents = new Buffer("i64", packed ? rows * tokens : 1);
    const passing = [stream(), stream()];
    this.#streams = Array.from({ length: layers + 1 }, (_, l) => (l < kept ? passing[l % 2]! : stream()));
    this.#gradients = [stream(), stream()];
    const given = [this.#ids, this.#lengths, this.#documents];
    this.#owned = [...new Set([...given, ...passing, ...this.#streams, ...this.#gradients])];
  }

  /** The parts of a batch that programs read. */
  get given(): Binding {
    const { rows, tokens, packed } = this.shape;
    const documents = packed ? { documents: this.#documents.view([rows, tokens]) } : {};
    return { ids: this.#ids.view([rows, tokens]), lengths: this.#lengths.view([rows]), ...documents };
  }

  fill({ ids, documents }: Batch): void {
    write(this.#ids, ids);
    if (this.shape.packed) write(this.#documents, documents ?? new Int32Array(ids.length));
  }

  /** The stream before a layer; at `layers`, the head's input. */
  stream(layer: number): View {
    return this.#view(this.#streams[layer]!);
  }

  /** The gradient of the stream before a layer. */
  gradient(layer: number): View {
    return this.#view(this.#gradients[layer % 2]!);
  }

  #view(buffer: Buffer): View {
    return buffer.view([this.shape.rows, this.shape.tokens, this.hidden]);
  }

  /** Memory for a layer's kept tensors. */
  keep(tensors: Readonly<Record<string, Tensor>>): Binding {
    const views = Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const sizes = shape.map(Number);
      const buffer = new Buffer(dtype, count(sizes));
      this.#owned.push(buffer);
      return [name, buffer.view(sizes)] as const;
    });
    return Object.fromEntries(views);
  }

  /** The last stream, and its gradient, which the head writes. */
  get last(): { stream: Buffer; gradient: Buffer } {
    return { stream: this.#streams[this.layers]!, gradient: this.#gradients[this.layers % 2]! };
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#owned) buffer[Symbol.dispose]();
  }
}

function write({ memory }: Buffer, values: Int32Array): void {
  const bound = new BigInt64Array(memory);
  for (let i = 0; i < values.length; i++) bound[i] = BigInt(values[i]!);
}
