import { type Bindings, type Dim, evalShape, type Tensor } from "../../graph/index.ts";
import { count } from "../../graph/ndarray.ts";
import { Buffer, type View, ViewSet } from "../../runtime/buffer.ts";
import type { Binding } from "../../runtime/program.ts";
import { type Batch, sizesOf } from "../data/batch.ts";
import type { Trainee } from "../graphs/graphs.ts";
import type { BatchInput, Shape } from "../graphs/stack.ts";
import type { HeadTensors } from "../heads/objective.ts";

/** The place of a batch in its step. */
export interface StepTerms {
  /** Batches of the step before it. */
  readonly before: number;
  /** The factor of the step's loss. */
  readonly scale: number;
}

/**
 * The tensors between the programs of a step, with room for the largest batch. Streams from layer `kept` on stay for
 * the backward pass.
 */
export class StepBuffers implements Disposable {
  readonly #inputs = new Map<string, Buffer>();
  readonly #streams: readonly Buffer[];
  readonly #gradients: readonly [Buffer, Buffer];
  readonly #owned: Buffer[];
  /** Sums over a step's batches. */
  readonly #sums: Buffer[] = [];
  #views = new ViewSet();
  #given: Binding = {};
  #last: HeadTensors | undefined;
  #sizes: { readonly key: string; readonly of: Bindings } | undefined;

  constructor(
    private readonly trainee: Trainee,
    private readonly shape: Shape,
    kept: number,
  ) {
    const { layers, hidden } = trainee.stack;
    const stream = () => new Buffer("f32", shape.rows * shape.tokens * hidden);
    const passing = [stream(), stream()];
    this.#streams = Array.from({ length: layers + 1 }, (_, l) => (l < kept ? passing[l % 2]! : stream()));
    this.#gradients = [stream(), stream()];
    this.#owned = [...new Set([...passing, ...this.#streams, ...this.#gradients])];
  }

  /** Takes a batch in. Views of tensors have its sizes from now on; if those are others, the ones before are gone. */
  fill(batch: Batch, { before, scale }: StepTerms): void {
    if (before === 0) for (const { memory } of this.#sums) new Float32Array(memory).fill(0);
    const { stack, objective, routerLoss } = this.trainee;
    const step = routerLoss && { batches: scalar(before + 1), lossScale: scalar(scale) };
    const inputs = Object.entries({ ...stack.inputs(batch), ...objective.inputs(batch), ...step });
    for (const [name, input] of inputs) write(this.#input(name, input), input);
    const of = sizesOf(batch);
    const key = `${of["kept"]},${inputs.map(([name, { shape }]) => `${name}:${shape}`)}`;
    if (key === this.#sizes?.key) return;
    this.#views[Symbol.dispose]();
    this.#views = new ViewSet();
    this.#sizes = { key, of };
    this.#given = Object.fromEntries(
      inputs.map(([name, input]) => [name, this.#views.of(this.#input(name, input), input.shape, 0)]),
    );
    const { layers } = this.trainee.stack;
    this.#last = this.at(layers, false);
  }

  /** The batch's sizes: the same object for batches whose views are the same. */
  get sizes(): Bindings {
    if (!this.#sizes) throw new Error("no batch has been taken in");
    return this.#sizes.of;
  }

  /** The batch's inputs. */
  get given(): Binding {
    return this.#given;
  }

  /** The stream before a layer; at the number of layers, the head's input. */
  stream(layer: number): View {
    return this.#view(this.#streams[layer]!, this.#streamShape);
  }

  /** The gradient of the stream before a layer. */
  gradient(layer: number): View {
    return this.#view(this.#gradients[layer % 2]!, this.#streamShape);
  }

  /** Memory for a layer's kept tensors; returns their views. */
  keep(tensors: Readonly<Record<string, Tensor>>): () => Binding {
    const buffers = Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const buffer = new Buffer(dtype, count(evalShape(shape, this.#largest)));
      this.#owned.push(buffer);
      return { name, buffer, shape };
    });
    return () => Object.fromEntries(buffers.map(({ name, buffer, shape }) => [name, this.#view(buffer, shape)]));
  }

  /** Memory for sums over a step's batches; returns their views as inputs, and as outputs under the names that `after` gives. */
  sum(tensors: Readonly<Record<string, Tensor>>, after: (name: string) => string): () => Binding {
    const buffers = Object.entries(tensors).map(([name, { shape }]) => {
      const sizes = shape.map(Number);
      return { name, sizes, buffer: new Buffer("f32", count(sizes)) };
    });
    this.#sums.push(...buffers.map(({ buffer }) => buffer));
    const views = ({ name, sizes, buffer }: (typeof buffers)[number]) =>
      [name, after(name)].map((each) => [each, this.#view(buffer, sizes)]);
    return () => Object.fromEntries(buffers.flatMap(views));
  }

  /** The batch as the head reads it: the same views for batches of the same sizes. */
  get last(): HeadTensors {
    if (!this.#last) throw new Error("no batch has been taken in");
    return this.#last;
  }

  /** The batch as a head before a layer reads it; `adds`: the stream has a gradient already. */
  at(layer: number, adds: boolean): HeadTensors {
    return { stream: this.stream(layer), gradient: this.gradient(layer), adds, given: this.#given };
  }

  get #streamShape() {
    return this.trainee.stack.stream(this.shape);
  }

  get #largest(): Bindings {
    const { rows, tokens } = this.shape;
    return { batch: rows, tokens, kept: rows * tokens };
  }

  #view(buffer: Buffer, shape: readonly Dim[]): View {
    return this.#views.of(buffer, evalShape(shape, this.sizes), 0);
  }

  #input(name: string, { dtype, shape }: BatchInput): Buffer {
    const known = this.#inputs.get(name);
    if (known) return known;
    const buffer = new Buffer(dtype, Math.max(this.shape.rows * this.shape.tokens, count(shape)));
    this.#inputs.set(name, buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    this.#views[Symbol.dispose]();
    for (const buffer of [...this.#owned, ...this.#sums, ...this.#inputs.values()]) buffer[Symbol.dispose]();
  }
}

const scalar = (value: number): BatchInput => ({ dtype: "f32", shape: [], values: Float32Array.of(value) });

function write({ memory }: Buffer, { dtype, values }: BatchInput): void {
  if (dtype === "f32") new Float32Array(memory).set(values);
  else if (dtype === "i32") new Int32Array(memory).set(values);
  else new BigInt64Array(memory).set(BigInt64Array.from(values, BigInt));
}
