import { add, evalShape, type Shape, sameDim, sameShape, showShape, volume } from "../dim.ts";
import { around, type NdArray, ndarray } from "../ndarray.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { full } from "./reduce.ts";

/**
 * A reshape's target in ONNX: known sizes, 0 for a symbolic size in the same place, and −1 for at most one other size.
 */
function onnxTarget(from: Shape, shape: Shape): number[] {
  const target = shape.map((d, i) =>
    typeof d === "number" ? d : from[i] !== undefined && sameDim(from[i], d) ? 0 : -1,
  );
  if (target.filter((d) => d === -1).length > 1)
    throw new Error(`reshape of ${showShape(from)} to ${showShape(shape)}: more than one symbolic dimension moves`);
  return target;
}

const reshapeOp: Op<{ shape: Shape }> = {
  name: "reshape",
  operands: ["x"],
  infer([x], { shape }) {
    if (!sameDim(volume(x!.shape), volume(shape)))
      throw new ShapeError("reshape", "x", showType(x!), `as many elements as ${showShape(shape)}`);
    return [{ dtype: x!.dtype, shape }];
  },
  onnx: (emit, { inputs, outputs, types }, { shape }) =>
    emit.node("Reshape", [inputs[0]!, emit.ints(onnxTarget(types[0]!.shape, shape))], outputs),
  cost: () => ({ read: 0, written: 0 }),
  gradient: ({ inputs: [x], upstream: [dy] }) => [reshapeLike(dy!, x!)],
  reference: ([x], { shape }, bindings) => [{ shape: evalShape(shape, bindings), data: x!.data }],
};

/** The same elements in another shape, in which at most one symbolic dimension is new or moves. */
export const reshape = (x: Tensor, shape: Shape): Tensor => apply1(reshapeOp, [x], { shape });

const reshapeLikeOp: Op<{ shape: Shape }> = {
  name: "reshapeLike",
  operands: ["x", "like"],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  onnx: (emit, { inputs: [x, like], outputs }) => emit.node("Reshape", [x!, emit.value("Shape", [like!])], outputs),
  cost: () => ({ read: 0, written: 0 }),
  gradient: ({ inputs: [x], upstream: [dy] }) => [reshapeLike(dy!, x!)],
  reference: ([x, like]) => [{ shape: like!.shape, data: x!.data }],
};

/** The same elements in the shape of another tensor, however many symbolic dimensions move. */
export function reshapeLike(x: Tensor, like: Tensor): Tensor {
  if (!sameDim(volume(x.shape), volume(like.shape)))
    throw new ShapeError("reshapeLike", "x", showType(x), `as many elements as ${showType(like)}`);
  const known = like.shape.every((d) => typeof d === "number");
  return known ? reshape(x, like.shape) : apply1(reshapeLikeOp, [x, like], { shape: like.shape });
}

const transposeOp: Op<{ axes: readonly number[] }> = {
  name: "transpose",
  operands: ["x"],
  infer([x], { axes }) {
    if ([...axes].sort().join() !== x!.shape.map((_, i) => i).join())
      throw new ShapeError("transpose", "x", showType(x!), `one dimension for each of the axes ${axes}`);
    return [{ dtype: x!.dtype, shape: axes.map((a) => x!.shape[a]!) }];
  },
  onnx: (emit, { inputs, outputs }, { axes }) => emit.node("Transpose", inputs, outputs, { perm: { ints: axes } }),
  gradient: ({ upstream: [dy], attrs: { axes } }) => [
    transpose(
      dy!,
      axes.map((_, a) => axes.indexOf(a)),
    ),
  ],
  reference([x], { axes }) {
    const shape = axes.map((a) => x!.shape[a]!);
    const strides = x!.shape.map((_, a) => around(x!.shape, a).inner);
    const y = ndarray(shape);
    const index = shape.map(() => 0);
    for (let i = 0; i < y.data.length; i++) {
      y.data[i] = x!.data[index.reduce((at, v, a) => at + v * strides[axes[a]!]!, 0)]!;
      for (let a = shape.length - 1; a >= 0 && ++index[a]! === shape[a]; a--) index[a] = 0;
    }
    return [y];
  },
};

/** Axis i of the result is axis axes[i] of x. */
export const transpose = (x: Tensor, axes: readonly number[]): Tensor => apply1(transposeOp, [x], { axes });

function checkAxis(op: string, x: TensorType, axis: number): void {
  if (x.shape[axis] === undefined) throw new ShapeError(op, "x", showType(x), `at least ${axis + 1} dimensions`);
}

const splitOp: Op<{ axis: number; sizes: readonly number[] }> = {
  name: "split",
  operands: ["x"],
  infer([x], { axis, sizes }) {
    checkAxis("split", x!, axis);
    if (!sameDim(x!.shape[axis]!, add(...sizes)))
      throw new ShapeError("split", "x", showType(x!), `${sizes.join(" + ")} on axis ${axis}`);
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.with(axis, size) }));
  },
  onnx: (emit, { inputs, outputs }, { axis, sizes }) =>
    emit.node("Split", [inputs[0]!, emit.ints(sizes)], outputs, { axis: { int: axis } }),
  gradient: ({ outputs, upstream, attrs: { axis } }) => [
    concat(
      outputs.map((y, i) => upstream[i] ?? full(y, 0)),
      axis,
    ),
  ],
  reference([x], { axis, sizes }) {
    let start = 0;
    return sizes.map((size) => {
      start += size;
      return slab(x!, axis, start - size, size);
    });
  },
};

function slab(x: NdArray, axis: number, start: number, size: number): NdArray {
  const { outer, size: whole, inner } = around(x.shape, axis);
  const y = ndarray(x.shape.with(axis, size));
  for (let o = 0; o < outer; o++)
    y.data.set(x.data.subarray((o * whole + start) * inner, (o * whole + start + size) * inner), o * size * inner);
  return y;
}

/** Cuts x along an axis into parts of the given sizes. */
export const split = (x: Tensor, axis: number, sizes: readonly number[]): Tensor[] =>
  apply(splitOp, [x], { axis, sizes });

const reverseOp: Op<{ axis: number }> = {
  name: "reverse",
  operands: ["x"],
  infer([x], { axis }) {
    checkAxis("reverse", x!, axis);
    return [x!];
  },
  onnx: (emit, { inputs, outputs }, { axis }) =>
    emit.node(
      "Slice",
      [inputs[0]!, emit.ints([-1]), emit.ints([Number.MIN_SAFE_INTEGER]), emit.ints([axis]), emit.ints([-1])],
      outputs,
    ),
  gradient: ({ upstream: [dy], attrs: { axis } }) => [reverse(dy!, axis)],
  reference([x], { axis }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const y = ndarray(x!.shape);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < size; i++)
        y.data.set(
          x!.data.subarray((o * size + i) * inner, (o * size + i + 1) * inner),
          (o * size + size - 1 - i) * inner,
        );
    return [y];
  },
};

/** x with one axis in the opposite order. */
export const reverse = (x: Tensor, axis: number): Tensor => apply1(reverseOp, [x], { axis });

const concatOp: Op<{ axis: number }> = {
  name: "concat",
  operands: ["first", "second", "third"],
  infer([first, ...others], { axis }) {
    checkAxis("concat", first!, axis);
    for (const other of others)
      if (!sameShape(other.shape.toSpliced(axis, 1), first!.shape.toSpliced(axis, 1)))
        throw new ShapeError("concat", "second", showType(other), `${showType(first!)} except for axis ${axis}`);
    return [{ ...first!, shape: first!.shape.with(axis, add(...[first!, ...others].map((t) => t.shape[axis]!))) }];
  },
  onnx: (emit, { inputs, outputs }, { axis }) => emit.node("Concat", inputs, outputs, { axis: { int: axis } }),
  gradient({ inputs, upstream: [dy], attrs: { axis } }) {
    const sizes = inputs.map((t) => t.shape[axis]!);
    if (!sizes.every((size) => typeof size === "number"))
      throw new Error(`concat of ${inputs.map(showType).join(" and ")} has no gradient: axis ${axis} is symbolic`);
    return split(dy!, axis, sizes);
  },
  reference(parts, { axis }) {
    const { outer } = around(parts[0]!.shape, axis);
    const size = parts.reduce((total, p) => total + p.shape[axis]!, 0);
    const rows = Array.from({ length: outer }, (_, o) =>
      parts.flatMap((p) => [...p.data.subarray((o * p.data.length) / outer, ((o + 1) * p.data.length) / outer)]),
    );
    return [ndarray(parts[0]!.shape.with(axis, size), rows.flat())];
  },
};

/** Concatenates tensors along an axis. */
export const concat = (parts: readonly Tensor[], axis: number): Tensor => apply1(concatOp, parts, { axis });
