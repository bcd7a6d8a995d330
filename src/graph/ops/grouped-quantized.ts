import { add, atMost, type Bindings, mul, sameShape, volume } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";
import { emitGroups, expertsOf } from "./grouped-linear.ts";
import {
  attrsOf,
  emitProduct,
  emitWithSums,
  inOrder,
  type LinearAttrs,
  type MatrixAttrs,
  type Precision,
  type QuantizedMatrix,
  quantizedLinearBackwardOp,
  quantizedLinearOp,
} from "./quantized.ts";

interface GroupedAttrs extends LinearAttrs {
  readonly experts: number;
}

/** The parts of each expert's matrix. */
const split = <T>(parts: readonly T[], experts: number): T[][] => {
  const each = parts.length / experts;
  return Array.from({ length: experts }, (_, e) => parts.slice(e * each, (e + 1) * each));
};

const groupedQuantizedLinearOp: Op<GroupedAttrs> = {
  name: "groupedQuantizedLinear",
  operands: ["x", "sizes", "codes", "scale", "zero"],
  infer([x, sizes, ...parts], attrs) {
    if (!sameShape(sizes!.shape, [attrs.experts]))
      throw new ShapeError("groupedQuantizedLinear", "sizes", showType(sizes!), `[${attrs.experts}]`);
    return split(parts, attrs.experts)
      .map((matrix) => quantizedLinearOp.infer([x!, ...matrix], attrs)[0]!)
      .slice(0, 1);
  },
  onnx(emit, { inputs: [x, sizes, ...parts], outputs, types }, attrs) {
    const matrices = split(parts, attrs.experts);
    const typesOf = split(types.slice(2), attrs.experts);
    const wide = attrs.corrected ? emitWithSums(emit, x!, 2, typesOf[0]!, attrs) : x!;
    const products = emitGroups(emit, wide, sizes!, attrs.experts).map((group, e) => {
      const y = emit.temp();
      emitProduct(emit, [group, ...matrices[e]!], y, typesOf[e]!, attrs);
      return y;
    });
    emit.node("Concat", products, outputs, { axis: { int: 0 } });
  },
  cost([x, sizes, ...parts], [y], { experts }) {
    const matrix = add(...split(parts, experts)[0]!.map(sizeInBytes));
    return {
      flops: mul(2, volume(x!.shape), y!.shape[1]!),
      read: add(sizeInBytes(x!), sizeInBytes(sizes!), mul(atMost(x!.shape[0]!, experts), matrix)),
    };
  },
  gradient: ({ inputs: [, sizes, ...parts], upstream: [dy], attrs }) => [
    apply1(groupedBackwardOp, [dy!, sizes!, ...parts], { experts: attrs.experts, ...attrsOf(attrs) }),
  ],
  reference: (inputs, attrs, bindings) => rowByRow(quantizedLinearOp, inputs, attrs, bindings),
};

interface GroupedBackwardAttrs extends MatrixAttrs {
  readonly experts: number;
}

const groupedBackwardOp: Op<GroupedBackwardAttrs> = {
  name: "groupedQuantizedLinearBackward",
  operands: ["dy", "sizes", "codes", "scale", "zero"],
  infer: ([dy, , ...parts], attrs) => quantizedLinearBackwardOp.infer([dy!, ...split(parts, attrs.experts)[0]!], attrs),
  onnx(emit, { inputs: [dy, sizes, ...parts], outputs, types }, attrs) {
    const typesOf = split(types.slice(2), attrs.experts);
    const matrices = split(parts, attrs.experts);
    const pieces = emitGroups(emit, dy!, sizes!, attrs.experts).map((group, e) => {
      const dx = emit.temp();
      const io = { inputs: [group, ...matrices[e]!], outputs: [dx], types: [types[0]!, ...typesOf[e]!] };
      quantizedLinearBackwardOp.onnx(emit, io, attrs);
      return dx;
    });
    emit.node("Concat", pieces, outputs, { axis: { int: 0 } });
  },
  cost: ([dy], [dx]) => ({ flops: mul(2, volume(dx!.shape), dy!.shape.at(-1)!) }),
  reference: (inputs, attrs, bindings) => rowByRow(quantizedLinearBackwardOp, inputs, attrs, bindings),
};

/** Applies an operator's reference to each row, with the matrix of the row's expert. */
function rowByRow<A extends { readonly experts: number }>(
  op: Op<A>,
  [x, sizes, ...parts]: readonly NdArray[],
  attrs: A,
  bindings: Bindings,
): NdArray[] {
  const [rows, k] = x!.shape as [number, number];
  const matrices = split(parts, attrs.experts);
  const products = expertsOf(sizes!.data).map((expert, row) => {
    const one = ndarray([1, k], x!.data.subarray(row * k, (row + 1) * k));
    return op.reference([one, ...matrices[expert]!], attrs, bindings)[0]!;
  });
  const width = products[0]!.shape[1]!;
  const y = ndarray([rows, width]);
  for (const [row, { data }] of products.entries()) y.data.set(data, row * width);
  return [y];
}

/** Like `groupedLinear`, with experts' matrices in blocks of codes, all in the same format. */
export function groupedQuantizedLinear(
  x: Tensor,
  sizes: Tensor,
  matrices: readonly QuantizedMatrix[],
  precision: Precision = "int8",
): Tensor {
  const attrs = { experts: matrices.length, ...attrsOf(matrices[0]!), precision };
  return apply1(groupedQuantizedLinearOp, [x, sizes, ...matrices.flatMap(inOrder)], attrs);
}
