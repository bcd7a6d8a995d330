import { mul, type Shape, sameDim, sameShape } from "../dim.ts";
import { count, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

interface MatmulAttrs {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly scale: number;
}

/** Rows and columns of an operand after its transposition. */
function sides(shape: Shape, turned: boolean) {
  const [rows, columns] = turned ? [shape.at(-1)!, shape.at(-2)!] : [shape.at(-2)!, shape.at(-1)!];
  return { rows, columns };
}

const matmulOp: Op<MatmulAttrs> = {
  name: "matmul",
  operands: ["a", "b"],
  infer([a, b], { transA, transB }) {
    const [left, right] = [sides(a!.shape, transA), sides(b!.shape, transB)];
    const fits = sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2)) && sameDim(left.columns, right.rows);
    if (!fits)
      throw new ShapeError(
        "matmul",
        "b",
        showType(b!),
        `the leading dimensions of ${showType(a!)} and ${left.columns} rows`,
      );
    return [{ dtype: "f32", shape: [...a!.shape.slice(0, -2), left.rows, right.columns] }];
  },
  onnx: (emit, { inputs, outputs }, { transA, transB, scale }) =>
    emit.contrib("FusedMatMul", inputs, outputs, {
      transA: { int: Number(transA) },
      transB: { int: Number(transB) },
      alpha: { float: scale },
    }),
  gradient({ inputs: [a, b], upstream: [dy], wanted, attrs: { transA, transB, scale } }) {
    const ofA = () =>
      transA ? matmul(b!, dy!, { transA: transB, transB: true, scale }) : matmul(dy!, b!, { transB: !transB, scale });
    const ofB = () =>
      transB ? matmul(dy!, a!, { transA: true, transB: transA, scale }) : matmul(a!, dy!, { transA: !transA, scale });
    return [wanted[0] ? ofA() : undefined, wanted[1] ? ofB() : undefined];
  },
  cost: ([a], [y], { transA }) => ({ flops: mul(2, ...y!.shape, sides(a!.shape, transA).columns) }),
  reference([a, b], { transA, transB, scale }) {
    const [m, k] = [sides(a!.shape, transA).rows, sides(a!.shape, transA).columns].map(Number) as [number, number];
    const n = Number(sides(b!.shape, transB).columns);
    const y = ndarray([...a!.shape.slice(0, -2), m, n]);
    for (let o = 0; o < count(a!.shape.slice(0, -2)); o++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++)
          for (let c = 0; c < k; c++) {
            const leftValue = a!.data[o * m * k + (transA ? c * m + i : i * k + c)]!;
            const right = b!.data[o * k * n + (transB ? j * k + c : c * n + j)]!;
            y.data[(o * m + i) * n + j]! += scale * leftValue * right;
          }
    return [y];
  },
};

/** scale · a b over the last two axes, operands optionally transposed: a [..., m, k], b [..., k, n] → [..., m, n]. */
export const matmul = (a: Tensor, b: Tensor, attrs: Partial<MatmulAttrs> = {}): Tensor =>
  apply1(matmulOp, [a, b], { transA: false, transB: false, scale: 1, ...attrs });
