import { mul, sameDim, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const linearOp: Op<null> = {
  name: "linear",
  operands: ["x", "weight"],
  infer([x, weight]) {
    if (weight!.shape.length !== 2)
      throw new ShapeError("linear", "weight", showType(weight!), `[${x!.shape.at(-1)}, outputs]`);
    if (!sameDim(x!.shape.at(-1)!, weight!.shape[0]!))
      throw new ShapeError(
        "linear",
        "x",
        showType(x!),
        `[..., ${weight!.shape[0]}], the weight being ${showType(weight!)}`,
      );
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), weight!.shape[1]!] }];
  },
  onnx: (emit, { inputs, outputs }) => emit.node("MatMul", inputs, outputs),
  cost: ([x, weight]) => ({ flops: mul(2, volume(x!.shape), weight!.shape[1]!) }),
  reference([x, weight]) {
    const [k, n] = weight!.shape as [number, number];
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    for (let i = 0; i < x!.data.length / k; i++)
      for (let c = 0; c < k; c++) {
        const v = x!.data[i * k + c]!;
        for (let j = 0; j < n; j++) y.data[i * n + j]! += v * weight!.data[c * n + j]!;
      }
    return [y];
  },
};

/** x [..., K] times weight [K, N]: [..., N]. */
export const linear = (x: Tensor, weight: Tensor): Tensor => apply1(linearOp, [x, weight], null);

const matmulTransposedOp: Op<{ scale: number }> = {
  name: "matmulTransposed",
  operands: ["a", "b"],
  infer([a, b]) {
    const stacked = b!.shape.length > 2;
    const fits =
      (!stacked || sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2))) &&
      sameDim(a!.shape.at(-1)!, b!.shape.at(-1)!);
    if (!fits)
      throw new ShapeError("matmulTransposed", "b", showType(b!), `the leading and last dimensions of ${showType(a!)}`);
    return [{ dtype: "f32", shape: [...a!.shape.slice(0, -1), b!.shape.at(-2)!] }];
  },
  onnx: (emit, { inputs, outputs }, { scale }) =>
    emit.contrib("FusedMatMul", inputs, outputs, { transB: { int: 1 }, alpha: { float: scale } }),
  cost: ([a, b]) => ({ flops: mul(2, volume(a!.shape), b!.shape.at(-2)!) }),
  reference([a, b], { scale }) {
    const [m, k] = a!.shape.slice(-2) as [number, number];
    const n = b!.shape.at(-2)!;
    const shared = b!.shape.length === 2;
    const y = ndarray([...a!.shape.slice(0, -1), n]);
    for (let o = 0; o < a!.data.length / (m * k); o++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let c = 0; c < k; c++) sum += a!.data[(o * m + i) * k + c]! * b!.data[(shared ? j : o * n + j) * k + c]!;
          y.data[(o * m + i) * n + j] = scale * sum;
        }
    return [y];
  },
};

/** scale · a bᵀ over the last two axes: a [..., m, k], b [..., n, k] or one [n, k] for all → [..., m, n]. */
export const matmulTransposed = (a: Tensor, b: Tensor, scale = 1): Tensor =>
  apply1(matmulTransposedOp, [a, b], { scale });
