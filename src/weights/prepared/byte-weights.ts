import path from "node:path";
import { BYTE_STEPS, type ByteForm, byteFormKey, type Graph, LOW_STEPS, type Tensor } from "../../graph/index.ts";
import type { LoraLayers } from "../adapter/lora-layers.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Matrix, Sizes } from "../weight-source.ts";
import { rotated } from "./hadamard.ts";
import type { Names } from "./names.ts";
import type { Part } from "./part.ts";
import type { Span } from "./store.ts";
import { keyOf, rowsOf, Weights } from "./weights.ts";

/**
 * A checkpoint's matrices rounded to one or two bytes a weight, with a scale for each output, in a folder of their own; everything else as `Weights` has it, and so
 * matrices whose inputs no rotation's blocks divide. The model was opened with other weights before: tensors are there, and fit.
 */
export class ByteWeights extends Weights {
  constructor(
    checkpoint: Checkpoint,
    folder: string,
    private readonly form: ByteForm,
    names: Names,
    loraLayers?: LoraLayers,
  ) {
    super(checkpoint, path.join(folder, byteFormKey(form)), "auto", names, 8, loraLayers);
  }

  override matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const { rotation } = this.form;
    if (rotation !== 0 && inputs % rotation !== 0) return super.matrix(graph, inputs, outputs);
    const parts = this.parts(outputs, [inputs]);
    const [name, rows] = [keyOf(parts), rowsOf(parts)];
    const { scale, digits } = this.#stored(name) ?? this.#round(name, parts, inputs);
    const [codes, low] = digits.map((span, i) =>
      graph.constant(digitName(name, i), { dtype: "i8", shape: [inputs, rows] }, this.data(span)),
    );
    const scales = graph.constant(scaleName(name), { dtype: "f32", shape: [rows] }, this.data(scale));
    return { kind: "bytes", matrix: { codes: codes!, scale: scales, low, block: blockOf(graph, rotation) } };
  }

  override review(): void {}

  /** An adapter may also change what follows the last attention, which has no weights in bytes. */
  override checkAdapter(): void {}

  #stored(name: string): Stored | undefined {
    const scale = this.store.floats(scaleName(name))?.data;
    if (!scale) return undefined;
    return {
      scale,
      digits: Array.from({ length: this.form.digits }, (_, i) => this.store.floats(digitName(name, i))!.data),
    };
  }

  #round(name: string, parts: readonly Part[], inputs: number): Stored {
    const rows = rowsOf(parts);
    const scale = new Float32Array(rows);
    const { digits: count, rotation } = this.form;
    const digits = Array.from({ length: count }, () => new Int8Array(inputs * rows));
    let first = 0;
    for (const part of parts) {
      const [own, end] = [part.floats(), first + part.shape[0]!];
      const values = rotation === 0 ? own : rotated(own, rotation);
      scale.set(scalesOf(values, part.shape[0]!, inputs), first);
      roundRows(values, scale.subarray(first, end), digits, { rows, first });
      first = end;
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

/** The block that rotates a product's inputs as the weights' rows are. */
function blockOf(graph: Graph, rotation: number): Tensor | undefined {
  if (rotation === 0) return undefined;
  const unit = Float32Array.from({ length: rotation ** 2 }, (_, i) => Number(i % (rotation + 1) === 0));
  const data = { kind: "memory", bytes: new Uint8Array(rotated(unit, rotation).buffer) } as const;
  return graph.constant(`hadamard ${rotation}`, { dtype: "f32", shape: [rotation, rotation] }, data);
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
