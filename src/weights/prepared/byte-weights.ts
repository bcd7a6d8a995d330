import path from "node:path";
import { BYTE_STEPS, type Digits, type Graph, LOW_STEPS } from "../../graph/index.ts";
import type { LoraLayers } from "../adapter/lora-layers.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Matrix, Sizes } from "../weight-source.ts";
import type { Names } from "./names.ts";
import type { Part } from "./part.ts";
import type { Span } from "./store.ts";
import { keyOf, rowsOf, Weights } from "./weights.ts";

/**
 * A checkpoint's matrices rounded to one or two bytes a weight, with a scale for each output, in a folder of their own; everything else as `Weights` has it. The
 * model was opened with other weights before: tensors are there, and fit.
 */
export class ByteWeights extends Weights {
  constructor(
    checkpoint: Checkpoint,
    folder: string,
    private readonly digits: Digits,
    names: Names,
    loraLayers?: LoraLayers,
  ) {
    super(checkpoint, path.join(folder, `bytes-${digits}`), "auto", names, 8, loraLayers);
  }

  override matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const parts = this.parts(outputs, [inputs]);
    const [name, rows] = [keyOf(parts), rowsOf(parts)];
    const { scale, digits } = this.#stored(name) ?? this.#round(name, parts, inputs);
    const [codes, low] = digits.map((span, i) =>
      graph.constant(digitName(name, i), { dtype: "i8", shape: [inputs, rows] }, this.data(span)),
    );
    const scales = graph.constant(scaleName(name), { dtype: "f32", shape: [rows] }, this.data(scale));
    return { kind: "bytes", matrix: { codes: codes!, scale: scales, low } };
  }

  override review(): void {}

  #stored(name: string): Stored | undefined {
    const scale = this.store.floats(scaleName(name))?.data;
    if (!scale) return undefined;
    return {
      scale,
      digits: Array.from({ length: this.digits }, (_, i) => this.store.floats(digitName(name, i))!.data),
    };
  }

  #round(name: string, parts: readonly Part[], inputs: number): Stored {
    const rows = rowsOf(parts);
    const scale = new Float32Array(rows);
    const digits = Array.from({ length: this.digits }, () => new Int8Array(inputs * rows));
    let first = 0;
    for (const part of parts) {
      const [values, count] = [part.floats(), part.shape[0]!];
      scale.set(scalesOf(values, count, inputs), first);
      roundRows(values, scale.subarray(first, first + count), digits, { rows, first });
      first += count;
    }
    return {
      digits: digits.map((codes, i) => this.#keep(digitName(name, i), [inputs, rows], new Uint8Array(codes.buffer))),
      scale: this.#keep(scaleName(name), [rows], scale),
    };
  }

  #keep(name: string, shape: number[], values: Uint8Array | Float32Array): Span {
    return this.store.addFloats(name, { shape, data: this.store.append(values) }).data;
  }
}

/** The places of a matrix in the prepared file. */
interface Stored {
  readonly scale: Span;
  readonly digits: readonly Span[];
}

const scaleName = (name: string): string => `${name}.byteScale`;
const digitName = (name: string, digit: number): string => `${name}.bytes${digit}`;

/** The step of each row's first digit. */
function scalesOf(values: Float32Array, rows: number, inputs: number): Float32Array {
  const scales = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    let most = 0;
    for (let i = r * inputs; i < (r + 1) * inputs; i++) most = Math.max(most, Math.abs(values[i]!));
    scales[r] = most / BYTE_STEPS;
  }
  return scales;
}

/** Writes rows' digits as columns from `first` on: the first digit in whole steps, a second in parts of one. */
function roundRows(
  values: Float32Array,
  scales: Float32Array,
  [high, low]: readonly Int8Array[],
  { rows, first }: { readonly rows: number; readonly first: number },
): void {
  const inputs = values.length / scales.length;
  for (const [r, scale] of scales.entries()) {
    if (scale === 0) continue;
    for (let c = 0, at = first + r; c < inputs; c++, at += rows) {
      const steps = values[r * inputs + c]! / scale;
      const whole = Math.round(steps);
      high![at] = whole;
      if (low) low[at] = Math.round((steps - whole) * LOW_STEPS);
    }
  }
}
