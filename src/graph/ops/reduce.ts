import { evalShape, type Shape, sameShape } from "../dim.ts";
import { around, count, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** The operand that gives a symbolic shape its sizes during a run; empty if all sizes are numbers. */
const likeOf = (like: Tensor): Tensor[] => (like.shape.every((d) => typeof d === "number") ? [] : [like]);

const fullOp: Op<{ shape: Shape; value: number }> = {
  name: "full",
  operands: ["like"],
  infer: (_, { shape }) => [{ dtype: "f32", shape }],
  onnx: (emit, { inputs: [like], outputs }, { shape, value }) =>
    emit.node("Expand", [emit.floats([value], []), emit.shape(shape, like)], outputs),
  cost: () => ({ read: 0 }),
  gradient: "none",
  reference(_, { shape, value }, bindings) {
    const y = ndarray(evalShape(shape, bindings));
    return [{ shape: y.shape, data: y.data.fill(value) }];
  },
};

/** An f32 tensor in the shape of `like`, filled with one value. */
export const full = (like: Tensor, value: number): Tensor =>
  like.graph.record(fullOp, likeOf(like), { shape: like.shape, value })[0]!;

const sumOp: Op<{ axis: number }> = {
  name: "sum",
  operands: ["x"],
  infer([x], { axis }) {
    if (x!.shape[axis] === undefined) throw new ShapeError("sum", "x", showType(x!), `at least ${axis + 1} dimensions`);
    return [{ dtype: x!.dtype, shape: x!.shape.toSpliced(axis, 1) }];
  },
  onnx: (emit, { inputs, outputs }, { axis }) =>
    emit.node("ReduceSum", [inputs[0]!, emit.ints([axis])], outputs, { keepdims: { int: 0 } }),
  gradient: ({ inputs: [x], upstream: [dy], attrs: { axis } }) => [spread(dy!, axis, x!)],
  reference([x], { axis }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const y = ndarray(x!.shape.toSpliced(axis, 1));
    for (let o = 0; o < outer; o++)
      for (let s = 0; s < size; s++)
        for (let i = 0; i < inner; i++) y.data[o * inner + i]! += x!.data[(o * size + s) * inner + i]!;
    return [y];
  },
};

/** The sum over one axis, which is removed. */
export const sum = (x: Tensor, axis: number): Tensor => apply1(sumOp, [x], { axis });

const sumOfSquaresOp: Op<null> = {
  name: "sumOfSquares",
  operands: ["x"],
  infer: ([x]) => [{ dtype: "f32", shape: x!.shape.slice(0, -1) }],
  onnx: (emit, { inputs, outputs }) =>
    emit.node("ReduceSumSquare", [inputs[0]!, emit.ints([-1])], outputs, { keepdims: { int: 0 } }),
  reference([x]) {
    const width = x!.shape.at(-1)!;
    const y = ndarray(x!.shape.slice(0, -1));
    for (const [i, v] of x!.data.entries()) y.data[Math.floor(i / width)]! += v * v;
    return [y];
  },
};

/** The sum of squares along the last axis, which is removed. */
export const sumOfSquares = (x: Tensor): Tensor => apply1(sumOfSquaresOp, [x], null);

const spreadOp: Op<{ axis: number; shape: Shape }> = {
  name: "spread",
  operands: ["x", "like"],
  infer([x], { axis, shape }) {
    if (!sameShape(shape.toSpliced(axis, 1), x!.shape))
      throw new ShapeError("spread", "x", showType(x!), `[${shape.toSpliced(axis, 1).join(", ")}]`);
    return [{ dtype: x!.dtype, shape }];
  },
  onnx(emit, { inputs: [x, like], outputs }, { axis, shape }) {
    const column = emit.value("Unsqueeze", [x!, emit.ints([axis])]);
    // Expand keeps x's size on every axis with target size 1.
    const places = () => emit.ints(shape.map((d, i) => (i === axis ? Number(d) : 1)));
    emit.node("Expand", [column, like === undefined ? places() : emit.shape(shape, like)], outputs);
  },
  gradient: ({ upstream: [dy], attrs: { axis } }) => [sum(dy!, axis)],
  reference([x], { axis, shape }, bindings) {
    const y = ndarray(evalShape(shape, bindings));
    const { size, inner } = around(y.shape, axis);
    return [
      { shape: y.shape, data: y.data.map((_, i) => x!.data[Math.floor(i / inner / size) * inner + (i % inner)]!) },
    ];
  },
};

/** x repeated along a new axis: a number of times, or to the shape of `like`. */
export const spread = (x: Tensor, axis: number, like: Tensor | number): Tensor =>
  typeof like === "number"
    ? apply1(spreadOp, [x], { axis, shape: x.shape.toSpliced(axis, 0, like) })
    : apply1(spreadOp, [x, ...likeOf(like)], { axis, shape: like.shape });

const leastOp: Op<null> = {
  name: "least",
  operands: ["x"],
  infer: ([x]) => [{ dtype: "f32", shape: x!.shape.with(-1, 1) }],
  onnx: (emit, { inputs: [x], outputs }) =>
    emit.node("ReduceMin", [x!, emit.ints([-1])], outputs, { keepdims: { int: 1 } }),
  reference([x]) {
    const width = x!.shape.at(-1)!;
    const y = ndarray(x!.shape.with(-1, 1));
    for (let row = 0; row < y.data.length; row++)
      y.data[row] = x!.data.subarray(row * width, (row + 1) * width).reduce((a, b) => Math.min(a, b));
    return [y];
  },
};

/** The smallest number of each row [..., n]: [..., 1]. */
export const least = (x: Tensor): Tensor => apply1(leastOp, [x], null);

const sumToOp: Op<{ rank: number }> = {
  name: "sumTo",
  operands: ["x"],
  infer: ([x], { rank }) => [{ dtype: x!.dtype, shape: x!.shape.slice(x!.shape.length - rank) }],
  onnx(emit, { inputs: [x], outputs, types }, { rank }) {
    const { shape, dtype } = types[0]!;
    const [rows, width] = [shape.slice(0, -rank), Number(shape.at(-1))];
    // A product with ones takes half the time of ReduceSum.
    if (rank === 1 && dtype === "f32" && rows.every((d) => typeof d === "number")) {
      const ones = new Float32Array(count(rows)).fill(1);
      const flat = emit.value("Reshape", [x!, emit.ints([ones.length, width])]);
      const sum = emit.value("MatMul", [emit.table(`ones_1x${ones.length}`, ones, [1, ones.length]), flat]);
      return emit.node("Reshape", [sum, emit.ints([width])], outputs);
    }
    const axes = emit.ints([...shape.keys()].slice(0, shape.length - rank));
    emit.node("ReduceSum", [x!, axes], outputs, { keepdims: { int: 0 } });
  },
  gradient: ({ inputs: [x], upstream: [dy] }) => [repeat(dy!, x!)],
  reference([x], { rank }) {
    const y = ndarray(x!.shape.slice(x!.shape.length - rank));
    for (const [i, v] of x!.data.entries()) y.data[i % y.data.length]! += v;
    return [y];
  },
};

/** The sum over all leading dimensions of x that `shape` lacks; `shape` is a suffix of x's shape. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (!sameShape(x.shape.slice(x.shape.length - shape.length), shape))
    throw new ShapeError("sumTo", "x", showType(x), `[…, ${shape.join(", ")}]`);
  return x.shape.length === shape.length ? x : apply1(sumToOp, [x], { rank: shape.length });
}

const repeatOp: Op<{ shape: Shape }> = {
  name: "repeat",
  operands: ["x", "like"],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  onnx: (emit, { inputs: [x, like], outputs }, { shape }) =>
    emit.node("Expand", [x!, emit.shape(shape, like)], outputs),
  gradient: ({ inputs: [x], upstream: [dy] }) => [sumTo(dy!, x!.shape)],
  reference([x], { shape }, bindings) {
    const sizes = evalShape(shape, bindings);
    return [
      ndarray(
        sizes,
        Float64Array.from({ length: count(sizes) }, (_, i) => x!.data[i % x!.data.length]!),
      ),
    ];
  },
};

/** Repeats x to the shape of `like`; x has a suffix of that shape. */
export function repeat(x: Tensor, like: Tensor): Tensor {
  if (!sameShape(like.shape.slice(like.shape.length - x.shape.length), x.shape))
    throw new ShapeError("repeat", "x", showType(x), `a suffix of ${showType(like)}`);
  return x.shape.length === like.shape.length ? x : apply1(repeatOp, [x, ...likeOf(like)], { shape: like.shape });
}
