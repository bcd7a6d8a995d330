import { around, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { sum } from "./reduce.ts";

interface Sums {
  /** True if sums run from the end. */
  readonly reversed: boolean;
  /** True if a sum excludes the element at its own position. */
  readonly exclusive: boolean;
}

const cumSumOp: Op<Sums & { axis: number }> = {
  name: "cumSum",
  operands: ["x"],
  infer([x], { axis }) {
    if (x!.shape[axis] === undefined)
      throw new ShapeError("cumSum", "x", showType(x!), `at least ${axis + 1} dimensions`);
    return [x!];
  },
  onnx: (emit, { inputs: [x], outputs }, { axis, reversed, exclusive }) =>
    emit.node("CumSum", [x!, emit.ints([axis], [])], outputs, {
      reverse: { int: Number(reversed) },
      exclusive: { int: Number(exclusive) },
    }),
  gradient: ({ upstream: [dy], attrs: { axis, reversed, exclusive } }) => [
    cumSum(dy!, axis, { reversed: !reversed, exclusive }),
  ],
  reference([x], { axis, reversed, exclusive }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const y = ndarray(x!.shape);
    for (let row = 0; row < outer * inner; row++) {
      const at = (s: number) => (Math.floor(row / inner) * size + s) * inner + (row % inner);
      let total = 0;
      for (let step = 0; step < size; step++) {
        const i = at(reversed ? size - 1 - step : step);
        y.data[i] = exclusive ? total : total + x!.data[i]!;
        total += x!.data[i]!;
      }
    }
    return [y];
  },
};

/** Cumulative sums over an axis. */
export const cumSum = (x: Tensor, axis: number, sums: Partial<Sums> = {}): Tensor =>
  apply1(cumSumOp, [x], { axis, reversed: false, exclusive: false, ...sums });

const lowerOp: Op<{ diagonal: number }> = {
  name: "lower",
  operands: ["x"],
  infer([x]) {
    if (x!.shape.length < 2) throw new ShapeError("lower", "x", showType(x!), "at least 2 dimensions");
    return [x!];
  },
  onnx: (emit, { inputs: [x], outputs }, { diagonal }) =>
    emit.node("Trilu", [x!, emit.ints([diagonal], [])], outputs, { upper: { int: 0 } }),
  gradient: ({ upstream: [dy], attrs: { diagonal } }) => [lower(dy!, diagonal)],
  reference([x], { diagonal }) {
    const [rows, columns] = x!.shape.slice(-2) as [number, number];
    const isKept = (i: number) => (i % columns) - (Math.floor(i / columns) % rows) <= diagonal;
    return [{ shape: x!.shape, data: x!.data.map((v, i) => (isKept(i) ? v : 0)) }];
  },
};

/** x [..., m, n] with zeros above a diagonal: 0 is the main one, −1 the one below it. */
export const lower = (x: Tensor, diagonal = 0): Tensor => apply1(lowerOp, [x], { diagonal });

const segmentSumsOp: Op<{ exclusive: boolean }> = {
  name: "segmentSums",
  operands: ["x"],
  infer([x]) {
    const n = x!.shape.at(-1);
    if (typeof n !== "number") throw new ShapeError("segmentSums", "x", showType(x!), "a known last dimension");
    return [{ dtype: "f32", shape: [...x!.shape, n] }];
  },
  // Each column sums only its own segment: differences of long sums would lose precision.
  onnx(emit, { inputs: [x], outputs, types }, { exclusive }) {
    const n = Number(types[0]!.shape.at(-1));
    const [column, axis] = [emit.value("Unsqueeze", [x!, emit.ints([-1])]), emit.ints([-2], [])];
    const after = emit.table(
      `below_${n}`,
      square(n, (i, j) => (i > j ? 1 : 0)),
      [n, n],
    );
    const first = exclusive ? 1 : 0;
    const outside = square(n, (i, j) => (i < j + first ? Number.NEGATIVE_INFINITY : 0));
    const sums = emit.value("CumSum", [emit.value("Mul", [column, after]), axis], { exclusive: { int: first } });
    emit.node("Add", [sums, emit.table(`outside_${n}_${first}`, outside, [n, n])], outputs);
  },
  gradient({ inputs: [x], upstream: [dy], attrs: { exclusive } }) {
    const rows = x!.shape.length - 1;
    return [sum(lower(cumSum(dy!, rows, { reversed: true, exclusive }), -1), rows + 1)];
  },
  reference([x], { exclusive }) {
    const n = x!.shape.at(-1)!;
    const y = ndarray([...x!.shape, n]);
    for (let at = 0; at < y.data.length; at++) {
      const [i, j] = [Math.floor(at / n) % n, at % n];
      const row = Math.floor(at / n / n) * n;
      const end = exclusive ? i : i + 1;
      y.data[at] = x!.data.subarray(row + j + 1, row + Math.max(end, j + 1)).reduce((total, v) => total + v, 0);
      if (end <= j) y.data[at] = Number.NEGATIVE_INFINITY;
    }
    return [y];
  },
};

function square(n: number, f: (row: number, column: number) => number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: n * n }, (_, at) => f(Math.floor(at / n), at % n));
}

/**
 * Sums of segments: x [..., n] → [..., n, n], at (i, j) the sum of x from j + 1 to i, both included (`exclusive`: to i
 * − 1); −∞ if i < j (`exclusive`: if i ≤ j). Their exponentials are Mamba-2's decays (Dao & Gu 2024, listing 1).
 */
export const segmentSums = (x: Tensor, { exclusive }: Partial<Pick<Sums, "exclusive">> = {}): Tensor =>
  apply1(segmentSumsOp, [x], { exclusive: exclusive ?? false });
