import { mul, sameDim, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./batched-matmul.ts";
import { scale } from "./elementwise.ts";

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
        `[..., ${weight!.shape[0]}] for the weight ${showType(weight!)}`,
      );
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), weight!.shape[1]!] }];
  },
  onnx: (emit, { inputs, outputs }) => emit.node("MatMul", inputs, outputs),
  gradient: ({ inputs: [x, weight], upstream: [dy], wanted }) => [
    wanted[0] ? matmulTransposed(dy!, weight!) : undefined,
    wanted[1] ? weightGradient(x!, dy!) : undefined,
  ],
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
  gradient({ inputs: [a, b], upstream: [dy], wanted, attrs: { scale: factor } }) {
    const scaled = (x: Tensor) => (factor === 1 ? x : scale(x, factor));
    const stacked = b!.shape.length > 2;
    const ofA = () => (stacked ? matmul(dy!, b!, { scale: factor }) : scaled(linear(dy!, b!)));
    const ofB = () => (stacked ? matmul(dy!, a!, { scale: factor, transA: true }) : scaled(weightGradient(dy!, a!)));
    return [wanted[0] ? ofA() : undefined, wanted[1] ? ofB() : undefined];
  },
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

const weightGradientOp: Op<null> = {
  name: "weightGradient",
  operands: ["x", "dy", "sum"],
  addsTo: 2,
  infer([x, dy, sum]) {
    if (!sameShape(x!.shape.slice(0, -1), dy!.shape.slice(0, -1)))
      throw new ShapeError("weightGradient", "dy", showType(dy!), `the rows of ${showType(x!)}`);
    const shape = [x!.shape.at(-1)!, dy!.shape.at(-1)!];
    if (sum && !sameShape(sum.shape, shape))
      throw new ShapeError("weightGradient", "sum", showType(sum), `[${shape.join(", ")}]`);
    return [{ dtype: "f32", shape }];
  },
  onnx(emit, { inputs: [x, dy, sum], outputs, types }) {
    // A matrix needs no reshape, so its last dimension may be a symbol.
    const rows = (name: string, at: number) => {
      const { shape } = types[at]!;
      return shape.length === 2 ? name : emit.value("Reshape", [name, emit.ints([-1, Number(shape.at(-1))])]);
    };
    const operands = [rows(x!, 0), rows(dy!, 1), ...(sum === undefined ? [] : [sum])];
    emit.node("Gemm", operands, outputs, { transA: { int: 1 } });
  },
  cost: ([x, dy]) => ({ flops: mul(2, volume(x!.shape), dy!.shape.at(-1)!) }),
  reference([x, dy, sum]) {
    const [k, n] = [x!.shape.at(-1)!, dy!.shape.at(-1)!];
    const y = ndarray([k, n], sum?.data);
    for (let row = 0; row < x!.data.length / k; row++)
      for (let i = 0; i < k; i++)
        for (let j = 0; j < n; j++) y.data[i * n + j]! += x!.data[row * k + i]! * dy!.data[row * n + j]!;
    return [y];
  },
};

/**
 * Gradient of a weight [K, N], given dy, the gradient of `linear(x, weight)`: xᵀ dy over all rows, x [..., K], dy
 * [..., N]. The gradient is added to `sum`, if present; both may be bound to one buffer.
 */
export const weightGradient = (x: Tensor, dy: Tensor, sum?: Tensor): Tensor =>
  apply1(weightGradientOp, [x, dy, ...(sum ? [sum] : [])], null);
