import { Buffer, type View } from "../../runtime/buffer.ts";
import { MappedTensors } from "../../runtime/mapped-tensors.ts";
import { UserError } from "../../util/errors.ts";
import type { Sizes } from "../../weights/weight-source.ts";

/** A tensor of the model, by its canonical name. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its first element in the flat buffers. */
  readonly offset: number;
  readonly trained: boolean;
}

/** Tensors that a program reads as one input: they lie end to end. */
export interface Joined {
  readonly sizes: Sizes;
  readonly inner: readonly number[];
}

/** Consecutive elements of the flat buffers. */
export interface Span {
  readonly offset: number;
  readonly elements: number;
}

/** Alignment of each input's start, in elements: 64 bytes. */
const ALIGNED = 16;

const volume = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * All parameters of a model, float32, in flat buffers: first trained matrices and tables, then trained vectors, then
 * frozen parameters. Only trained parameters have gradients.
 */
export class ParameterStore implements Disposable {
  readonly values: Buffer;
  readonly gradients: Buffer;
  /** Frozen weights that remain in their files. */
  readonly mapped = new MappedTensors();
  /** Trained matrices and tables; weight decay applies to these. */
  readonly matrices: Span;
  /** Trained vectors, such as gains and biases. */
  readonly vectors: Span;
  readonly #places: ReadonlyMap<string, Parameter>;

  /** `trained` selects trained tensors by name. The tensors of one `Joined` are all trained, or none. */
  constructor(joined: readonly Joined[], trained: (name: string) => boolean) {
    const places = new Map<string, Parameter>();
    let end = 0;
    const place = (wanted: (join: Joined) => boolean): Span => {
      const offset = end;
      for (const join of joined.filter(wanted)) end = placeJoined(places, join, end, trained);
      return { offset, elements: end - offset };
    };
    const isTrained = ({ sizes }: Joined) => trained(Object.keys(sizes)[0]!);
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

  /** The number of trained elements from the start, including the few between inputs. */
  get trainedElements(): number {
    return this.matrices.elements + this.vectors.elements;
  }

  parameter(name: string): Parameter {
    const found = this.#places.get(name);
    if (!found) throw new Error(`there is no parameter "${name}"`);
    return found;
  }

  /** One parameter's values, not a copy. */
  valuesOf({ shape, offset }: Parameter): Float32Array {
    return new Float32Array(this.values.memory, 4 * offset, volume(shape));
  }

  /** One trained parameter's gradient, not a copy. */
  gradientOf({ shape, offset }: Parameter): Float32Array {
    return new Float32Array(this.gradients.memory, 4 * offset, volume(shape));
  }

  /** A view of adjacent parameters' values or gradients. */
  view(of: "values" | "gradients", { sizes, inner }: Joined): View {
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

/** Places an input's tensors from `end` on, unless they have places; returns the new end. */
function placeJoined(
  places: Map<string, Parameter>,
  { sizes, inner }: Joined,
  end: number,
  trained: (name: string) => boolean,
): number {
  const names = Object.keys(sizes);
  const known = names.filter((name) => places.has(name));
  if (known.length === names.length) return end;
  if (known.length > 0) throw new Error(`${known.join(", ")} cannot also lie beside ${names.join(", ")}`);
  if (new Set(names.map(trained)).size > 1)
    throw new UserError(
      `${names.join(", ")} are multiplied as one matrix: expected all of them to be trained, or none`,
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
