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
    let at = 0;
    for (const part of parts) {
      const values = part.floats();
      for (let r = 0; r < part.shape[0]!; r++, at++) {
        const row = values.subarray(r * inputs, (r + 1) * inputs);
        scale[at] = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / BYTE_STEPS;
        if (scale[at]! > 0)
          roundRow(row, scale[at]!, (c, i, digit) => (digits[i]![c * rows + at] = digit), this.digits);
      }
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

/** The digits of a row's weights in steps of `scale`, the first rounded to whole steps, a second in parts of one. */
function roundRow(
  row: Float32Array,
  scale: number,
  put: (column: number, digit: number, value: number) => void,
  digits: Digits,
): void {
  for (const [c, value] of row.entries()) {
    const high = Math.round(value / scale);
    put(c, 0, high);
    if (digits === 2) put(c, 1, Math.round((value / scale - high) * LOW_STEPS));
  }
}
