import { mul, sameShape, volume } from "../dim.ts";
import type { NdArray } from "../ndarray.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

/** Weights in one block share a scale; every GGUF format that maps on these kernels has blocks of 32. */
export const BLOCK = 32;

/**
 * A matrix [rows N, columns K] as 8-bit codes: w = scale · (code − zero) + residual, where scale, zero and residual belong to a
 * block of 32 columns. The residual makes formats with a real-valued minimum (Q4_1) exact: kernels with float zero points are 70×
 * slower, while its product with the block sums of x is thin (K/32 wide).
 */
export interface QuantizedMatrix {
  /** u8 [N, K/32, 32] */
  readonly codes: Tensor;
  /** f32 [N, K/32] */
  readonly scale: Tensor;
  /** u8 [N, K/32] */
  readonly zero: Tensor;
  /** f32 [K/32, N] */
  readonly residual?: Tensor | undefined;
}

const operands = ["x", "codes", "scale", "zero", "residual"];

function checkMatrix(op: string, [codes, scale, zero, residual]: readonly TensorType[]): { n: number; blocks: number } {
  const [n, blocks] = codes!.shape.map(Number) as [number, number];
  const expect = (operand: string, t: TensorType, shape: number[]) => {
    if (!sameShape(t.shape, shape)) throw new ShapeError(op, operand, showType(t), `[${shape}]`);
  };
  expect("codes", codes!, [n, blocks, BLOCK]);
  expect("scale", scale!, [n, blocks]);
  expect("zero", zero!, [n, blocks]);
  if (residual) expect("residual", residual, [blocks, n]);
  return { n, blocks };
}

/** Row `row` of the matrix, in float64. */
function row([codes, scale, zero, residual]: readonly NdArray[], index: number): Float64Array {
  const [n, blocks] = codes!.shape as [number, number, number];
  return Float64Array.from({ length: blocks * BLOCK }, (_, k) => {
    const block = index * blocks + Math.floor(k / BLOCK);
    const extra = residual ? residual.data[Math.floor(k / BLOCK) * n + index]! : 0;
    return scale!.data[block]! * (codes!.data[index * blocks * BLOCK + k]! - zero!.data[block]!) + extra;
  });
}

/** How the kernel computes: `int8` rounds activations to 8 bits per block (fast, relative error about 5e-3), `float32` does not. */
export type Precision = "int8" | "float32";

interface LinearAttrs {
  readonly precision: Precision;
}

const linearOp: Op<LinearAttrs> = {
  name: "quantizedLinear",
  operands,
  infer([x, ...matrix]) {
    const { n, blocks } = checkMatrix("quantizedLinear", matrix);
    if (x!.shape.length !== 3 || x!.shape[2] !== blocks * BLOCK)
      throw new ShapeError(
        "quantizedLinear",
        "x",
        showType(x!),
        `[batch, tokens, ${blocks * BLOCK}], the matrix being [${n}, ${blocks * BLOCK}]`,
      );
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), n] }];
  },
  onnx(emit, { inputs, outputs, types }, { precision }) {
    const [x, codes, scale, zero, residual] = inputs as [string, string, string, string, string?];
    const [n, blocks] = types[1]!.shape.map(Number) as [number, number];
    const attrs = {
      K: { int: blocks * BLOCK },
      N: { int: n },
      bits: { int: 8 },
      block_size: { int: BLOCK },
      accuracy_level: { int: precision === "int8" ? 4 : 1 },
    };
    const product = residual === undefined ? outputs[0]! : emit.temp();
    emit.contrib("MatMulNBits", [x, codes, scale, zero], [product], attrs);
    if (residual === undefined) return;
    const split = emit.value("Reshape", [x, emit.ints([0, 0, blocks, BLOCK])]);
    const sums = emit.value("ReduceSum", [split, emit.ints([-1])], { keepdims: { int: 0 } });
    emit.node("Add", [product, emit.value("MatMul", [sums, residual])], outputs);
  },
  // The work is the product's; the residual is a matter of storage, and dense and sparse runs bear it alike.
  cost: ([x, codes]) => ({ flops: mul(2, volume(x!.shape), codes!.shape[0]!) }),
  reference([x, ...matrix]) {
    const n = matrix[0]!.shape[0]!;
    const k = x!.shape.at(-1)!;
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    for (let j = 0; j < n; j++) {
      const w = row(matrix, j);
      for (let i = 0; i < x!.data.length / k; i++)
        y.data[i * n + j] = w.reduce((sum, v, c) => sum + v * x!.data[i * k + c]!, 0);
    }
    return [y];
  },
};

const inOrder = (m: QuantizedMatrix): Tensor[] => [m.codes, m.scale, m.zero, ...(m.residual ? [m.residual] : [])];

/** x [batch, tokens, K] times the transposed matrix: [batch, tokens, N]. */
export const quantizedLinear = (x: Tensor, matrix: QuantizedMatrix, precision: Precision = "int8"): Tensor =>
  apply1(linearOp, [x, ...inOrder(matrix)], { precision });

const embeddingOp: Op<null> = {
  name: "quantizedEmbedding",
  operands: ["ids", ...operands.slice(1)],
  infer([ids, ...matrix]) {
    const { blocks } = checkMatrix("quantizedEmbedding", matrix);
    if (ids!.shape.length !== 2) throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "[batch, tokens]");
    if (ids!.dtype !== "i64") throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "i64");
    return [{ dtype: "f32", shape: [...ids!.shape, blocks * BLOCK] }];
  },
  onnx(emit, { inputs, outputs, types }) {
    const [ids, codes, scale, zero, residual] = inputs as [string, string, string, string, string?];
    const [n, blocks] = types[1]!.shape.map(Number) as [number, number];
    const flat = emit.value("Reshape", [codes, emit.ints([n, blocks * BLOCK])]);
    const rows = residual === undefined ? outputs[0]! : emit.temp();
    emit.contrib("GatherBlockQuantized", [flat, ids, scale, zero], [rows], {
      bits: { int: 8 },
      block_size: { int: BLOCK },
      gather_axis: { int: 0 },
      quantize_axis: { int: 1 },
    });
    if (residual === undefined) return;
    const perBlock = emit.value("Gather", [residual, ids], { axis: { int: 1 } });
    const last = emit.value("Transpose", [perBlock], { perm: { ints: [1, 2, 0] } });
    const split = emit.value("Reshape", [rows, emit.ints([0, 0, blocks, BLOCK])]);
    const sum = emit.value("Add", [split, emit.value("Unsqueeze", [last, emit.ints([-1])])]);
    emit.node("Reshape", [sum, emit.ints([0, 0, blocks * BLOCK])], outputs);
  },
  cost: ([ids, codes], [y]) => ({
    read: mul(volume(ids!.shape), Number(codes!.shape[1]) * (BLOCK + 5)),
    written: mul(4, volume(y!.shape)),
  }),
  reference([ids, ...matrix]) {
    const rows = [...ids!.data].map((id) => row(matrix, id));
    return [
      ndarray(
        [...ids!.shape, rows[0]!.length],
        rows.flatMap((r) => [...r]),
      ),
    ];
  },
};

/** Rows of the matrix by token id: ids i64 [batch, tokens] → [batch, tokens, K]. */
export const quantizedEmbedding = (ids: Tensor, matrix: QuantizedMatrix): Tensor =>
  apply1(embeddingOp, [ids, ...inOrder(matrix)], null);
