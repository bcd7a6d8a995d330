import { type Bindings, type Dim, evalShape, type Tensor } from "../../graph/index.ts";
import { count } from "../../graph/ndarray.ts";
import { Buffer, type View, ViewSet } from "../../runtime/buffer.ts";
import type { Binding } from "../../runtime/program.ts";
import { type Batch, sizesOf } from "../data/batch.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { noiseInputs } from "../graphs/noise.ts";
import { type BatchInput, partsOf, type Shape } from "../graphs/stack.ts";
import type { HeadTensors } from "../heads/objective.ts";

/** A batch's place and loss scale within its step. */
export interface StepTerms {
  /** The number of earlier batches in the step. */
  readonly before: number;
  /** The step's loss scale. */
  readonly scale: number;
  /** The batch's number in the run, which determines its noise; absent without noise. */
  readonly number?: number;
}

/** Rows of a batch that run through the layers together. Batches with equal views share the same object. */
export interface BatchPart {
  /** The part's index in the batch. */
  readonly at: number;
  readonly sizes: Bindings;
  readonly inputs: Binding;
}

/** An input and its location. */
interface PlacedInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly buffer: Buffer;
  readonly offset: number;
}

/**
 * The tensors between a step's programs, with room for the largest batch. Streams from layer `lowest` on are kept for
 * the backward pass.
 */
export class StepBuffers implements Disposable {
  readonly #inputs = new Map<string, Buffer>();
  readonly #streams: readonly Buffer[];
  readonly #gradients: readonly [Buffer, Buffer];
  /** The tensors carried beside the streams; empty if nothing is carried. */
  readonly #carried: readonly Buffer[] = [];
  readonly #carriedGradients: readonly Buffer[] = [];
  readonly #owned: Buffer[];
  /** Buffers that sum over a step's batches. */
  readonly #sums: Buffer[] = [];
  #views = new ViewSet();
  #dataInputs: Binding = {};
  #last: HeadTensors | undefined;
  #key = "";
  /** The sizes of the whole batch. */
  #sizes: Bindings = {};
  #parts: readonly BatchPart[] = [];

  constructor(
    private readonly trainee: Trainee,
    private readonly shape: Shape,
    lowest: number,
  ) {
    const { layers, hidden } = trainee.stack;
    const wide = (width: number) => new Buffer("f32", shape.rows * shape.tokens * width);
    const places = Array.from({ length: layers + 1 }, (_, layer) => layer);
    const each = (widths: readonly number[]) => {
      const passing = lowest > 0 ? [0, 1].map(() => wide(Math.max(...widths))) : [];
      return places.map((layer) => (layer < lowest ? passing[layer % 2]! : wide(widths[layer]!)));
    };
    this.#streams = each(places.map(() => hidden));
    this.#gradients = [wide(hidden), wide(hidden)];
    const carried = places.map((layer) => this.#carriedWidth(layer));
    const widest = Math.max(...carried);
    if (widest > 0) {
      this.#carried = each(carried);
      this.#carriedGradients = [wide(widest), wide(widest)];
    }
    const all = [...this.#streams, ...this.#gradients, ...this.#carried, ...this.#carriedGradients];
    this.#owned = [...new Set(all)];
  }

  /** Loads a batch. Views then have this batch's sizes; earlier views of other sizes become invalid. */
  fill(batch: Batch, { before, scale, number }: StepTerms): void {
    if (before === 0) for (const { memory } of this.#sums) new Float32Array(memory).fill(0);
    const { stack, objective, routerLoss, noise } = this.trainee;
    const step = routerLoss && { batches: scalar(before + 1), lossScale: scalar(scale) };
    const random = noise && noiseInputs(noise, batch, number);
    const inputs = { ...stack.inputs(batch), ...objective.inputs(batch), ...step, ...random };
    const parts = partsOf(stack, batch);
    const [whole] = this.#write("batch", [inputs]) as [PlacedInput[]];
    const inputsOf = (part: Batch) => stack.inputs(part);
    const apart = parts.length > 1 ? this.#write("part", parts.map(inputsOf)) : [whole];
    const sizes = parts.map(sizesOf);
    const key = JSON.stringify([sizes, whole.map(({ name, shape }) => [name, shape])]);
    if (key === this.#key) return;
    this.#key = key;
    this.#views[Symbol.dispose]();
    this.#views = new ViewSet();
    this.#sizes = sizesOf(batch);
    this.#dataInputs = this.#viewsOf(whole);
    this.#parts = sizes.map((of, at) => ({ at, sizes: of, inputs: this.#viewsOf(apart[at]!) }));
    this.#last = this.at(stack.layers, false);
  }

  /** The batch's parts, which run through the layers one after another. */
  get parts(): readonly BatchPart[] {
    return this.#parts;
  }

  /** A part's stream before a layer. */
  stream(layer: number, part: BatchPart): View {
    return this.#view(this.#streams[layer]!, this.#streamShape, part);
  }

  /** The gradient of a part's stream before a layer. */
  gradient(layer: number, part: BatchPart): View {
    return this.#view(this.#gradients[layer % 2]!, this.#streamShape, part);
  }

  /** The tensors carried into a layer beside a part's stream, as the binding `name`; empty if nothing is carried. */
  carried(layer: number, part: BatchPart, name: string): Binding {
    return this.#along(this.#carried[layer], layer, part, name);
  }

  /** Their gradient. */
  carriedGradient(layer: number, part: BatchPart, name: string): Binding {
    return this.#along(this.#carriedGradients[layer % 2], layer, part, name);
  }

  #along(buffer: Buffer | undefined, layer: number, part: BatchPart, name: string): Binding {
    const width = this.#carriedWidth(layer);
    return buffer && width > 0 ? { [name]: this.#view(buffer, this.#streamShape.with(-1, width), part) } : {};
  }

  #carriedWidth(layer: number): number {
    return this.trainee.stack.carriedWidth?.(layer) ?? 0;
  }

  /** Allocates memory for a layer's retained tensors; returns a function that returns a batch part's views of it. */
  keep(tensors: Readonly<Record<string, Tensor>>): (part: BatchPart) => Binding {
    const buffers = Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const buffer = new Buffer(dtype, count(evalShape(shape, this.#largest)));
      this.#owned.push(buffer);
      return { name, buffer, shape };
    });
    return (part) =>
      Object.fromEntries(buffers.map(({ name, buffer, shape }) => [name, this.#view(buffer, shape, part)]));
  }

  /**
   * Allocates sums over a step's batches; returns a function that binds them as inputs and, under `after` names, as
   * outputs.
   */
  sum(tensors: Readonly<Record<string, Tensor>>, after: (name: string) => string): () => Binding {
    const buffers = Object.entries(tensors).map(([name, { shape }]) => {
      const sizes = shape.map(Number);
      return { name, sizes, buffer: new Buffer("f32", count(sizes)) };
    });
    this.#sums.push(...buffers.map(({ buffer }) => buffer));
    const views = ({ name, sizes, buffer }: (typeof buffers)[number]) =>
      [name, after(name)].map((each) => [each, this.#views.of(buffer, sizes, 0)]);
    return () => Object.fromEntries(buffers.flatMap(views));
  }

  /** The batch's tensors for the head; batches of the same sizes get the same views. */
  get last(): HeadTensors {
    if (!this.#last) throw new Error("no batch has been loaded");
    return this.#last;
  }

  /** The whole batch's tensors for a head before a layer; `adds` is true if the stream already has a gradient. */
  at(layer: number, adds: boolean): HeadTensors {
    const whole = (buffer: Buffer) => this.#views.of(buffer, evalShape(this.#streamShape, this.#sizes), 0);
    const [stream, gradient] = [this.#streams[layer]!, this.#gradients[layer % 2]!];
    return { stream: whole(stream), gradient: whole(gradient), adds, inputs: this.#dataInputs };
  }

  get #streamShape() {
    return this.trainee.stack.stream(this.shape);
  }

  get #largest(): Bindings {
    const { rows, tokens } = this.shape;
    return { batch: rows, tokens, kept: rows * tokens };
  }

  /** A view of one part in a buffer that stores the parts one after another. */
  #view(buffer: Buffer, shape: readonly Dim[], { at, sizes }: BatchPart): View {
    const before = this.#parts.slice(0, at);
    const offset = before.reduce((sum, part) => sum + count(evalShape(shape, part.sizes)), 0);
    return this.#views.of(buffer, evalShape(shape, sizes), offset);
  }

  /** Writes the inputs of several batches, concatenating inputs of the same name. */
  #write(of: string, all: readonly Readonly<Record<string, BatchInput>>[]): PlacedInput[][] {
    const ends = new Map<string, number>();
    return all.map((inputs) =>
      Object.entries(inputs).map(([name, input]) => {
        const [buffer, offset] = [this.#input(`${of} ${name}`, input), ends.get(name) ?? 0];
        ends.set(name, offset + input.values.length);
        write(buffer, input, offset);
        return { name, shape: input.shape, buffer, offset };
      }),
    );
  }

  #viewsOf(inputs: readonly PlacedInput[]): Binding {
    return Object.fromEntries(
      inputs.map(({ name, shape, buffer, offset }) => [name, this.#views.of(buffer, shape, offset)]),
    );
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

function write({ memory }: Buffer, { dtype, values }: BatchInput, offset: number): void {
  if (dtype === "f32") new Float32Array(memory).set(values, offset);
  else if (dtype === "i32") new Int32Array(memory).set(values, offset);
  else new BigInt64Array(memory).set(BigInt64Array.from(values, BigInt), offset);
}
