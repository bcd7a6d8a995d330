import { add, atMost, mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";
import { emitGroups, expertsOf } from "./grouped-linear.ts";
import {
  emitBlockSums,
  inOrder,
  type LinearAttrs,
  type Precision,
  type QuantizedMatrix,
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
  operands: ["x", "sizes", "codes", "scale", "zero", "residual"],
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
    const groups = (rows: string) => emitGroups(emit, rows, sizes!, attrs.experts);
    const joined = (pieces: string[], y: string) => emit.node("Concat", pieces, [y], { axis: { int: 0 } });
    const products = groups(x!).map((group, e) => {
      const y = emit.temp();
      const exact = { inputs: [group, ...matrices[e]!.slice(0, 3)], types: [types[0]!, ...typesOf[e]!.slice(0, 3)] };
      quantizedLinearOp.onnx(emit, { ...exact, outputs: [y] }, attrs);
      return y;
    });
    if (matrices[0]!.length === 3) return joined(products, outputs[0]!);
    const [rounded, rest] = [emit.temp(), emit.temp()];
    joined(products, rounded);
    const sums = groups(emitBlockSums(emit, x!, typesOf[0]!, attrs.bits));
    joined(
      sums.map((group, e) => emit.value("MatMul", [group, matrices[e]![3]!])),
      rest,
    );
    emit.node("Add", [rounded, rest], outputs);
  },
  cost([x, sizes, ...parts], [y], { experts }) {
    const matrix = add(...split(parts, experts)[0]!.map(sizeInBytes));
    return {
      flops: mul(2, volume(x!.shape), y!.shape[1]!),
      read: add(sizeInBytes(x!), sizeInBytes(sizes!), mul(atMost(x!.shape[0]!, experts), matrix)),
    };
  },
  reference([x, sizes, ...parts], attrs, bindings) {
    const [rows, k] = x!.shape as [number, number];
    const matrices = split(parts, attrs.experts);
    const products = expertsOf(sizes!.data).map((expert, row) => {
      const one = ndarray([1, k], x!.data.subarray(row * k, (row + 1) * k));
      return quantizedLinearOp.reference([one, ...matrices[expert]!], attrs, bindings)[0]!.data;
    });
    const n = matrices[0]![0]!.shape[0]!;
    const y = ndarray([rows, n]);
    for (const [row, product] of products.entries()) y.data.set(product, row * n);
    return [y];
  },
};

/** Like `groupedLinear`, with experts' matrices in blocks of codes, all in one form. */
export function groupedQuantizedLinear(
  x: Tensor,
  sizes: Tensor,
  matrices: readonly QuantizedMatrix[],
  precision: Precision = "int8",
): Tensor {
  const attrs = { experts: matrices.length, bits: matrices[0]!.bits, precision };
  return apply1(groupedQuantizedLinearOp, [x, sizes, ...matrices.flatMap(inOrder)], attrs);
}
