import {
  BYTE_STEPS,
  type ByteForm,
  type ByteMatrix,
  type ConstantData,
  type Graph,
  LOW_STEPS,
  type Tensor,
} from "../../graph/index.ts";
import { rotated } from "./hadamard.ts";
import type { Part } from "./part.ts";
import type { PreparedStore, Span } from "./store.ts";

/** The locations of a byte matrix's parts in the prepared file. */
export interface StoredBytes {
  readonly scale: Span;
  readonly digits: readonly Span[];
}

const scaleName = (name: string): string => `${name}.byteScale`;
const digitName = (name: string, digit: number): string => `${name}.bytes${digit}`;

export function storedBytes(store: PreparedStore, name: string, { digits }: ByteForm): StoredBytes | undefined {
  const scale = store.floats(scaleName(name))?.data;
  return scale && { scale, digits: Array.from({ length: digits }, (_, i) => store.floats(digitName(name, i))!.data) };
}

/** Rounds stacked matrices, and stores the result. */
export function keepBytes(store: PreparedStore, name: string, parts: readonly Part[], form: ByteForm): StoredBytes {
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const inputs = parts[0]!.shape[1]!;
  const rounding = new ByteRounding(form, rows, inputs);
  let first = 0;
  for (const part of parts) {
    for (const [values, row] of part.pieces()) rounding.add(values, first + row);
    first += part.shape[0]!;
  }
  const keep = (of: string, shape: number[], values: Uint8Array | Float32Array): Span =>
    store.addFloats(of, { shape, data: store.append(values) }).data;
  return {
    digits: rounding.digits.map((codes, i) => keep(digitName(name, i), [inputs, rows], new Uint8Array(codes.buffer))),
    scale: keep(scaleName(name), [rows], rounding.scale),
  };
}

/** A matrix [inputs, rows] as graph constants; `data` describes a range of the prepared file. */
export function byteMatrix(
  graph: Graph,
  name: string,
  { scale, digits }: StoredBytes,
  { rotation }: ByteForm,
  data: (span: Span) => ConstantData,
): ByteMatrix {
  const rows = scale.bytes / Float32Array.BYTES_PER_ELEMENT;
  const [codes, low] = digits.map((span, i) =>
    graph.constant(digitName(name, i), { dtype: "i8", shape: [span.bytes / rows, rows] }, data(span)),
  );
  const scales = graph.constant(scaleName(name), { dtype: "f32", shape: [rows] }, data(scale));
  return { codes: codes!, scale: scales, low, block: blockOf(graph, rotation) };
}

/** The size of the blocks in which a product's inputs are rotated, to match the rotated weights. */
function blockOf(graph: Graph, rotation: number): Tensor | undefined {
  if (rotation === 0) return undefined;
  const unit = Float32Array.from({ length: rotation ** 2 }, (_, i) => Number(i % (rotation + 1) === 0));
  const data = { kind: "memory", bytes: new Uint8Array(rotated(unit, rotation).buffer) } as const;
  return graph.constant(`hadamard ${rotation}`, { dtype: "f32", shape: [rotation, rotation] }, data);
}

/**
 * Rounds a matrix [rows, inputs], given in pieces of whole rows: the first digit counts steps, the second fractions of
 * a step.
 */
export class ByteRounding {
  /** The step of the first digit, for each row. */
  readonly scale: Float32Array<ArrayBuffer>;
  /** Each digit's array is [inputs, rows]. */
  readonly digits: readonly Int8Array<ArrayBuffer>[];

  constructor(
    private readonly form: ByteForm,
    private readonly rows: number,
    private readonly inputs: number,
  ) {
    this.scale = new Float32Array(rows);
    this.digits = Array.from({ length: form.digits }, () => new Int8Array(inputs * rows));
  }

  /** Records rows, starting at row `first`; returns the values to round, rotated if the form requires it. */
  add(values: Float32Array, first: number): Float32Array {
    const { rotation } = this.form;
    const turned = rotation === 0 ? values : rotated(values, rotation);
    for (let from = 0, row = first; from < turned.length; from += this.inputs, row++) this.#round(turned, from, row);
    return turned;
  }

  /** Rounds the values, starting at index `from`. */
  #round(values: Float32Array, from: number, row: number): void {
    const [high, low] = this.digits;
    const end = from + this.inputs;
    let most = 0;
    for (let i = from; i < end; i++) most = Math.max(most, Math.abs(values[i]!));
    this.scale[row] = most / BYTE_STEPS;
    const scale = this.scale[row]!;
    if (scale === 0) return;
    for (let i = from, at = row; i < end; i++, at += this.rows) {
      const steps = values[i]! / scale;
      const whole = Math.round(steps);
      high![at] = whole;
      if (low) low[at] = Math.round((steps - whole) * LOW_STEPS);
    }
  }

  /** A number's value after rounding; still rotated if the form is rotated. */
  at(row: number, column: number): number {
    const [high, low = 0] = this.digits.map((digit) => digit[column * this.rows + row]!);
    return this.scale[row]! * (high! + low / LOW_STEPS);
  }
}
