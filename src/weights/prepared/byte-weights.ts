import { BYTE_STEPS, type Graph } from "../../graph/index.ts";
import type { Matrix, Sizes } from "../weight-source.ts";
import type { Part } from "./part.ts";
import type { Span } from "./store.ts";
import { keyOf, rowsOf, Weights } from "./weights.ts";

/**
 * A checkpoint's matrices rounded to bytes, with a scale for each output, in a folder of their own; everything else as `Weights` has it. The
 * model was opened with other weights before: tensors are there, and fit.
 */
export class ByteWeights extends Weights {
  override matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const parts = this.parts(outputs, [inputs]);
    const [name, rows] = [keyOf(parts), rowsOf(parts)];
    const [codes, scale] = this.#stored(name) ?? this.#round(name, parts, inputs);
    return {
      kind: "bytes",
      matrix: {
        codes: graph.constant(`${name}.bytes`, { dtype: "i8", shape: [inputs, rows] }, this.data(codes)),
        scale: graph.constant(`${name}.byteScale`, { dtype: "f32", shape: [rows] }, this.data(scale)),
      },
    };
  }

  override review(): void {}

  #stored(name: string): [Span, Span] | undefined {
    const [codes, scale] = [this.store.floats(`${name}.bytes`), this.store.floats(`${name}.byteScale`)];
    return codes && scale && [codes.data, scale.data];
  }

  #round(name: string, parts: readonly Part[], inputs: number): [Span, Span] {
    const rows = rowsOf(parts);
    const [codes, scale] = [new Int8Array(inputs * rows), new Float32Array(rows)];
    let at = 0;
    for (const part of parts) {
      const values = part.floats();
      for (let r = 0; r < part.shape[0]!; r++, at++) {
        const row = values.subarray(r * inputs, (r + 1) * inputs);
        scale[at] = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / BYTE_STEPS;
        for (let c = 0; c < inputs; c++) codes[c * rows + at] = scale[at] === 0 ? 0 : Math.round(row[c]! / scale[at]!);
      }
    }
    const bytes = this.store.append(new Uint8Array(codes.buffer));
    const scales = this.store.append(scale);
    this.store.addFloats(`${name}.bytes`, { shape: [inputs, rows], data: bytes });
    this.store.addFloats(`${name}.byteScale`, { shape: [rows], data: scales });
    return [bytes, scales];
  }
}
