import { Buffer, type View } from "../../runtime/buffer.ts";
import { MappedTensors } from "../../runtime/mapped-tensors.ts";
import { UserError } from "../../util/errors.ts";
import type { Sizes } from "../../weights/weight-source.ts";

/** A tensor of the model, identified by its canonical name. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** The index of the tensor's first element in the flat buffers. */
  readonly offset: number;
  readonly trained: boolean;
}

/** Tensors that a program reads as one input, and that are stored consecutively. */
export interface JoinedTensors {
  readonly sizes: Sizes;
  readonly inner: readonly number[];
}

/** Consecutive elements of the flat buffers. */
export interface Span {
  readonly offset: number;
  readonly elements: number;
}

/** The alignment of each input's start: 16 elements, or 64 bytes. */
const ALIGNED = 16;

const volume = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * All parameters of a model, in flat float32 buffers: first trained matrices and tables, then trained vectors, then
 * frozen parameters. Only trained parameters have gradients.
 */
export class ParameterStore implements Disposable {
  readonly values: Buffer;
  readonly gradients: Buffer;
  /** Frozen weights that remain in their files. */
  readonly mapped = new MappedTensors();
  /** Trained matrices and tables, to which weight decay applies. */
  readonly matrices: Span;
  /** Trained vectors, such as gains and biases. */
  readonly vectors: Span;
  readonly #places: ReadonlyMap<string, Parameter>;

  /** `trained` selects the trained tensors by name; in each `JoinedTensors`, either all tensors are trained or none. */
  constructor(joined: readonly JoinedTensors[], trained: (name: string) => boolean) {
    const places = new Map<string, Parameter>();
    let end = 0;
    const place = (wanted: (join: JoinedTensors) => boolean): Span => {
      const offset = end;
      for (const join of joined.filter(wanted)) end = placeJoined(places, join, end, trained);
      return { offset, elements: end - offset };
    };
    const isTrained = ({ sizes }: JoinedTensors) => trained(Object.keys(sizes)[0]!);
    this.matrices = place((join) => isTrained(join) && join.inner.length > 0);
    this.vectors = place((join) => isTrained(join) && join.inner.length === 0);
    place((join) => !isTrained(join));
    this.#places = places;
    this.values = new Buffer("f32", Math.max(1, end));
    this.gradients = new Buffer("f32", Math.max(1, this.trainedElements));
    for (const { memory } of [this.values, this.gradients]) new Float32Array(memory).fill(0);
  }

  get parameters(): readonly Parameter[] {
    return [...this.#places.values()];
  }

  /** The number of trained elements at the start of the buffers, including alignment gaps. */
  get trainedElements(): number {
    return this.matrices.elements + this.vectors.elements;
  }

  parameter(name: string): Parameter {
    const found = this.#places.get(name);
    if (!found) throw new Error(`the model has no parameter "${name}"`);
    return found;
  }

  /** A view of one parameter's values. */
  valuesOf({ shape, offset }: Parameter): Float32Array {
    return new Float32Array(this.values.memory, 4 * offset, volume(shape));
  }

  /** A view of one trained parameter's gradient. */
  gradientOf({ shape, offset }: Parameter): Float32Array {
    return new Float32Array(this.gradients.memory, 4 * offset, volume(shape));
  }

  /** A view of joined parameters' values or gradients. */
  view(of: "values" | "gradients", { sizes, inner }: JoinedTensors): View {
    const rows = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    return this[of].view([rows, ...inner], this.parameter(Object.keys(sizes)[0]!).offset);
  }

  zeroGradients(): void {
    new Float32Array(this.gradients.memory).fill(0);
  }

  scaleGradients(factor: number): void {
    const gradients = new Float32Array(this.gradients.memory);
    for (let i = 0; i < gradients.length; i++) gradients[i]! *= factor;
  }

  [Symbol.dispose](): void {
    this.values[Symbol.dispose]();
    this.gradients[Symbol.dispose]();
    this.mapped[Symbol.dispose]();
  }
}

/** Places an input's tensors at `end`, unless they already have places; returns the new end. */
function placeJoined(
  places: Map<string, Parameter>,
  { sizes, inner }: JoinedTensors,
  end: number,
  trained: (name: string) => boolean,
): number {
  const names = Object.keys(sizes);
  const known = names.filter((name) => places.has(name));
  if (known.length === names.length) return end;
  if (known.length > 0) throw new Error(`${known.join(", ")} already placed; ${names.join(", ")} cannot be adjacent`);
  if (new Set(names.map(trained)).size > 1)
    throw new UserError(
      `${names.join(", ")} are multiplied as one matrix: expected either all or none of them to be trained`,
      2,
    );
  let offset = end;
  for (const name of names) {
    const shape = [sizes[name]!, ...inner];
    places.set(name, { name, shape, offset, trained: trained(name) });
    offset += volume(shape);
  }
  return Math.ceil(offset / ALIGNED) * ALIGNED;
}
