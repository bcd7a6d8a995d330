import { add, atMost, type Dim, mul, sameShape, showShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor, type TensorType } from "../tensor.ts";

/** The layout of the experts' matrices: [inputs, outputs], or [outputs, inputs] if `rows`. */
interface GroupedAttrs {
  readonly rows: boolean;
}

const sidesOf = (weight: TensorType, { rows }: GroupedAttrs): readonly [inputs: Dim, outputs: Dim] =>
  rows ? [weight.shape[1]!, weight.shape[0]!] : [weight.shape[0]!, weight.shape[1]!];

/** Splits x [rows, ...] into one piece per expert; a piece may have no rows. */
export function emitGroups(emit: Emitter, x: string, sizes: string, experts: number): string[] {
  const groups = Array.from({ length: experts }, () => emit.temp());
  emit.node("Split", [x, sizes], groups, { axis: { int: 0 } });
  return groups;
}

const groupedLinearOp: Op<GroupedAttrs> = {
  name: "groupedLinear",
  operands: ["x", "sizes", "weight"],
  infer([x, sizes, ...weights], attrs) {
    const [inputs, outputs] = sidesOf(weights[0]!, attrs);
    const fits = x!.shape.length === 2 && sameShape([x!.shape[1]!], [inputs]);
    if (!fits) throw new ShapeError("groupedLinear", "x", showType(x!), `[rows, ${inputs}]`);
    const other = weights.find((w) => !sameShape(w.shape, weights[0]!.shape));
    if (other) throw new ShapeError("groupedLinear", "weight", showType(other), showType(weights[0]!));
    if (!sameShape(sizes!.shape, [weights.length]))
      throw new ShapeError("groupedLinear", "sizes", showType(sizes!), `[${weights.length}]`);
    return [{ dtype: "f32", shape: [x!.shape[0]!, outputs] }];
  },
  onnx(emit, { inputs: [x, sizes, ...weights], outputs }, { rows }) {
    const product = (group: string, weight: string): string => {
      if (!rows) return emit.value("MatMul", [group, weight]);
      const y = emit.temp();
      emit.contrib("FusedMatMul", [group, weight], [y], { transB: { int: 1 } });
      return y;
    };
    const groups = emitGroups(emit, x!, sizes!, weights.length);
    const products = groups.map((group, expert) => product(group, weights[expert]!));
    emit.node("Concat", products, outputs, { axis: { int: 0 } });
  },
  // Each row is multiplied by one matrix; at most one matrix per row is read.
  cost: ([x, sizes, ...weights], [y]) => ({
    flops: mul(2, x!.shape[0]!, x!.shape[1]!, y!.shape[1]!),
    read: add(
      sizeInBytes(x!),
      sizeInBytes(sizes!),
      mul(atMost(x!.shape[0]!, weights.length), sizeInBytes(weights[0]!)),
    ),
  }),
  gradient({ inputs: [x, sizes, ...weights], upstream: [dy], wanted, attrs: { rows } }) {
    const ofWeight = (expert: number) =>
      rows ? groupGradient(dy!, x!, sizes!, expert) : groupGradient(x!, dy!, sizes!, expert);
    return [
      wanted[0] ? groupedLinear(dy!, sizes!, weights, { rows: !rows }) : undefined,
      undefined,
      ...weights.map((_, expert) => (wanted[2 + expert] ? ofWeight(expert) : undefined)),
    ];
  },
  reference([x, sizes, ...weights], attrs) {
    const [k, n] = sidesOf({ dtype: "f32", shape: weights[0]!.shape }, attrs).map(Number) as [number, number];
    const y = ndarray([x!.shape[0]!, n]);
    for (const [row, expert] of expertsOf(sizes!.data).entries()) {
      const { data } = weights[expert]!;
      for (let j = 0; j < n; j++)
        for (let c = 0; c < k; c++)
          y.data[row * n + j]! += x!.data[row * k + c]! * data[attrs.rows ? j * k + c : c * n + j]!;
    }
    return [y];
  },
};

/** The expert that each row belongs to. */
export const expertsOf = (sizes: Float64Array): number[] =>
  [...sizes].flatMap((size, expert) => Array.from({ length: size }, () => expert));

/**
 * Multiplies rows by their experts' matrices: x [rows, K], grouped by expert → [rows, N]. `sizes` i64 [experts] holds
 * each expert's number of rows, `weights` one matrix per expert: [K, N], or [N, K] with `rows`. Nothing runs for an
 * expert without rows.
 */
export const groupedLinear = (x: Tensor, sizes: Tensor, weights: readonly Tensor[], attrs: GroupedAttrs): Tensor =>
  apply1(groupedLinearOp, [x, sizes, ...weights], attrs);

const groupGradientOp: Op<{ expert: number }> = {
  name: "groupGradient",
  operands: ["x", "dy", "sizes", "sum"],
  addsTo: 3,
  infer([x, dy, , sum]) {
    const shape = [x!.shape[1]!, dy!.shape[1]!];
    if (sum && !sameShape(sum.shape, shape))
      throw new ShapeError("groupGradient", "sum", showType(sum), showShape(shape));
    return [{ dtype: "f32", shape }];
  },
  onnx(emit, { inputs: [x, dy, sizes, sum], outputs }, { expert }) {
    const ends = emit.value("CumSum", [sizes!, emit.ints([0], [])]);
    const starts = emit.value("Sub", [ends, sizes!]);
    const [from, to] = [starts, ends].map((all) => emit.value("Gather", [all, emit.ints([expert])])) as [
      string,
      string,
    ];
    const group = (rows: string) => emit.value("Slice", [rows, from, to, emit.ints([0])]);
    const operands = [group(x!), group(dy!), ...(sum === undefined ? [] : [sum])];
    emit.node("Gemm", operands, outputs, { transA: { int: 1 } });
  },
  // Over all experts, each row counts once.
  cost([x, dy, sizes, sum], [y]) {
    const share = 1 / Number(sizes!.shape[0]);
    const rows = mul(share, add(sizeInBytes(x!), sizeInBytes(dy!)));
    return {
      flops: mul(2 * share, x!.shape[0]!, x!.shape[1]!, dy!.shape[1]!),
      read: add(rows, sum ? sizeInBytes(y!) : 0),
    };
  },
  reference([x, dy, sizes, sum], { expert }) {
    const [k, n] = [x!.shape[1]!, dy!.shape[1]!];
    const y = ndarray([k, n], sum?.data);
    for (const [row, of] of expertsOf(sizes!.data).entries())
      if (of === expert)
        for (let i = 0; i < k; i++)
          for (let j = 0; j < n; j++) y.data[i * n + j]! += x!.data[row * k + i]! * dy!.data[row * n + j]!;
    return [y];
  },
};

/** Gradient of one expert's matrix: xᵀ dy over its rows, x [rows, K], dy [rows, N] → [K, N]; zeros if it has no rows. */
const groupGradient = (x: Tensor, dy: Tensor, sizes: Tensor, expert: number): Tensor =>
  apply1(groupGradientOp, [x, dy, sizes], { expert });
