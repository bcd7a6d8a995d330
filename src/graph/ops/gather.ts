import { add, mul, type Shape, sameShape } from "../dim.ts";
import { around, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";

const gatherOp: Op<{ axis: number }> = {
  name: "gather",
  operands: ["x", "indices"],
  table: 0,
  infer([x, indices], { axis }) {
    if (x!.shape[axis] === undefined)
      throw new ShapeError("gather", "x", showType(x!), `at least ${axis + 1} dimensions`);
    if (indices!.dtype !== "i64") throw new ShapeError("gather", "indices", showType(indices!), "i64");
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)] }];
  },
  onnx: (emit, { inputs, outputs }, { axis }) => emit.node("Gather", inputs, outputs, { axis: { int: axis } }),
  cost: ([, indices], [y]) => ({ read: add(sizeInBytes(indices!), sizeInBytes(y!)), written: sizeInBytes(y!) }),
  gradient: ({ inputs: [x, indices], upstream: [dy], attrs: { axis } }) => [gatherBackward(x!, indices!, dy!, axis)],
  reference([x, indices], { axis }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const y = ndarray([...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)]);
    for (let o = 0; o < outer; o++)
      for (const [i, index] of indices!.data.entries()) {
        const from = (o * size + index) * inner;
        y.data.set(x!.data.subarray(from, from + inner), (o * indices!.data.length + i) * inner);
      }
    return [y];
  },
};

/** The slices of x along `axis` at `indices` (i64); the indices' shape replaces the axis. */
export const gather = (x: Tensor, indices: Tensor, axis: number): Tensor => apply1(gatherOp, [x, indices], { axis });

/**
 * The maximum number of rows of a table whose gradient is a product with one-hot columns: scattering single elements
 * takes longer.
 */
const ONE_HOT_ROWS = 256;

const isSmallTable = (shape: Shape): shape is [number, number] =>
  shape.length === 2 && shape.every((d) => typeof d === "number") && Number(shape[0]) <= ONE_HOT_ROWS;

/** sum + one-hot columns of the indices times dy. */
function emitOneHotSum(
  emit: Emitter,
  { indices, dy, sum }: { indices: string; dy: string; sum: string | undefined },
  [rows, width]: [number, number],
  outputs: readonly string[],
): void {
  const ids = emit.value("Reshape", [indices, emit.ints([-1])]);
  const columns = emit.value("OneHot", [ids, emit.ints([rows], []), emit.floats([0, 1])], { axis: { int: 0 } });
  const slices = emit.value("Reshape", [dy, emit.ints([-1, width])]);
  emit.node("Gemm", [columns, slices, ...(sum === undefined ? [] : [sum])], outputs);
}

const gatherBackwardOp: Op<{ axis: number }> = {
  name: "gatherBackward",
  operands: ["like", "indices", "dy", "sum"],
  addsTo: 3,
  infer([x, indices, dy, sum], { axis }) {
    const shape = x!.shape.toSpliced(axis, 1, ...indices!.shape);
    if (!sameShape(dy!.shape, shape))
      throw new ShapeError("gatherBackward", "dy", showType(dy!), `[${shape.join(", ")}]`);
    if (sum && !sameShape(sum.shape, x!.shape))
      throw new ShapeError("gatherBackward", "sum", showType(sum), showType(x!));
    return [x!];
  },
  // ScatterND with a reduction is wrong for repeated indices on two threads (ONNX Runtime 1.32).
  onnx(emit, { inputs: [x, indices, dy, sum], outputs, types }, { axis }) {
    const { shape } = types[0]!;
    if (axis === 0 && isSmallTable(shape))
      return emitOneHotSum(emit, { indices: indices!, dy: dy!, sum }, shape, outputs);
    const before = shape.slice(0, axis).map((d) => (typeof d === "number" ? d : 0));
    const rows = emit.value("Reshape", [dy!, emit.ints([...before, -1, ...shape.slice(axis + 1).map(Number)])]);
    const column = emit.value("Reshape", [indices!, emit.ints(shape.map((_, a) => (a === axis ? -1 : 1)))]);
    const places = emit.value("Expand", [column, emit.value("Shape", [rows])]);
    const base = sum ?? emit.value("Expand", [emit.floats([0], []), emit.shape(shape, x!)]);
    const attrs = { axis: { int: axis }, reduction: { string: "add" } };
    emit.node("ScatterElements", [base, places, rows], outputs, attrs);
  },
  // If the sum and the result share a buffer, only the rows at the indices are read and written.
  cost([, indices, dy, sum], [y]) {
    const rows = sizeInBytes(dy!);
    const read = add(sizeInBytes(indices!), mul(sum ? 2 : 1, rows));
    return { read, written: sum ? rows : sizeInBytes(y!) };
  },
  reference([x, indices, dy, sum], { axis }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const n = indices!.data.length;
    const y = ndarray(x!.shape, sum?.data);
    for (let o = 0; o < outer; o++)
      for (const [i, index] of indices!.data.entries())
        for (let at = 0; at < inner; at++)
          y.data[(o * size + index) * inner + at]! += dy!.data[(o * n + i) * inner + at]!;
    return [y];
  },
};

/**
 * Gradient of x, given dy, the gradient of `gather(x, indices, axis)`; indices may repeat. The gradient is added to
 * `sum`, if present: in place if sum and result are bound to one buffer.
 */
export const gatherBackward = (x: Tensor, indices: Tensor, dy: Tensor, axis: number, sum?: Tensor): Tensor =>
  apply1(gatherBackwardOp, [x, indices, dy, ...(sum ? [sum] : [])], { axis });
