import { mul, sameShape, volume } from "../dim.ts";
import type { NdArray } from "../ndarray.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

/** The possible numbers of weights that share a scale: those of GGUF's formats and of the kernels. */
const BLOCKS = [16, 32] as const;
export type Block = (typeof BLOCKS)[number];

/** Bits of a code and of a zero point. Two of 4 bits share a byte, the first in its low half. */
export type CodeBits = 4 | 8;

/**
 * A matrix [rows N, columns K] as codes: w = scale · (code − zero) + residual, with one scale, zero and residual per
 * block of B columns. The residual makes formats with a real-valued minimum (Q4_1) exact: kernels with float zero
 * points are 70× slower, while the residual's product with the block sums of x is thin (K/B wide).
 */
export interface QuantizedMatrix {
  readonly bits: CodeBits;
  /** u8 [N, K/B, B·bits/8]; B is 16 or 32. As a table of rows for `quantizedEmbedding`, [N, K·bits/8] */
  readonly codes: Tensor;
  /** f32 [N, K/B] */
  readonly scale: Tensor;
  /** u8 [N, ⌈K/B·bits/8⌉] */
  readonly zero: Tensor;
  /** f32 [K/B, N] */
  readonly residual?: Tensor | undefined;
}

const operands = ["x", "codes", "scale", "zero", "residual"];

interface Sizes {
  readonly n: number;
  /** Blocks in a row, and columns in a block. */
  readonly blocks: number;
  readonly block: number;
  readonly k: number;
}

/** The sizes of codes stored block by block, or row by row; the scales then give the number of blocks in a row. */
function sizesOf([codes, scale]: readonly Pick<TensorType, "shape">[], bits: CodeBits): Sizes {
  const [n, ...inner] = codes!.shape.map(Number) as [number, ...number[]];
  const blocks = inner.length > 1 ? inner[0]! : Number(scale!.shape[1]);
  const k = (inner.reduce((a, b) => a * b, 1) * 8) / bits;
  return { n, blocks, block: k / blocks, k };
}

/** Bytes of `count` codes or zero points. */
export const bytesOfCodes = (count: number, bits: CodeBits): number => Math.ceil((count * bits) / 8);

/** Throws if the codes are not laid out for `op`, or the other parts do not fit them. */
function checkMatrix(op: string, matrix: readonly TensorType[], bits: CodeBits, lie: "blocks" | "rows"): Sizes {
  const [codes, scale, zero, residual] = matrix;
  const sizes = sizesOf(matrix, bits);
  const { n, blocks, block } = sizes;
  const widths = BLOCKS.map((b) => bytesOfCodes(b, bits)).join(" or ");
  const inner = { blocks: `blocks, ${widths}`, rows: `${widths} a block` }[lie];
  if (codes!.shape.length !== (lie === "blocks" ? 3 : 2) || !BLOCKS.some((b) => b === block))
    throw new ShapeError(op, "codes", showType(codes!), `[rows, ${inner}]`);
  const expect = (operand: string, t: TensorType, shape: number[]) => {
    if (!sameShape(t.shape, shape)) throw new ShapeError(op, operand, showType(t), `[${shape}]`);
  };
  expect("scale", scale!, [n, blocks]);
  expect("zero", zero!, [n, bytesOfCodes(blocks, bits)]);
  if (residual) expect("residual", residual, [blocks, n]);
  return sizes;
}

/** Number `at` of a row of codes or zero points. */
function codeAt({ shape, data }: NdArray, bits: CodeBits, row: number, at: number): number {
  const start = row * shape.slice(1).reduce((a, b) => a * b, 1);
  return bits === 8 ? data[start + at]! : (data[start + (at >> 1)]! >> (4 * (at & 1))) & 15;
}

/** Row `index` of the matrix, in float64. */
function row(matrix: readonly NdArray[], bits: CodeBits, index: number): Float64Array {
  const [codes, scale, zero, residual] = matrix;
  const { n, blocks, block, k } = sizesOf(matrix, bits);
  return Float64Array.from({ length: k }, (_, column) => {
    const at = Math.floor(column / block);
    const extra = residual ? residual.data[at * n + index]! : 0;
    const steps = codeAt(codes!, bits, index, column) - codeAt(zero!, bits, index, at);
    return scale!.data[index * blocks + at]! * steps + extra;
  });
}

/**
 * The kernel's precision: `int8` rounds activations to 8 bits per block (fast, relative error about 5e-3), `float32`
 * does not.
 */
export type Precision = "int8" | "float32";

export interface MatrixAttrs {
  readonly bits: CodeBits;
}

export interface LinearAttrs extends MatrixAttrs {
  readonly precision: Precision;
}

/** The sums of x [rows, K] over each block of a matrix: [rows, K/B]. */
export function emitBlockSums(emit: Emitter, x: string, matrix: readonly TensorType[], bits: CodeBits): string {
  const { blocks, block } = sizesOf(matrix, bits);
  const split = emit.value("Reshape", [x, emit.ints([-1, blocks, block])]);
  return emit.value("ReduceSum", [split, emit.ints([-1])], { keepdims: { int: 0 } });
}

/** The means of x [..., K], of this rank, over each block: [..., K/B]. A pool is one node, but takes no matrix. */
function emitBlockMeans(emit: Emitter, x: string, rank: number, { blocks, block }: Omit<Sizes, "n" | "k">): string {
  const each = { ints: [...Array<number>(Math.max(0, rank - 3)).fill(1), block] };
  if (rank > 2) return emit.value("AveragePool", [x], { kernel_shape: each, strides: each });
  const split = emit.value("Reshape", [x, emit.ints([...Array<number>(rank - 1).fill(0), blocks, block])]);
  return emit.value("ReduceMean", [split, emit.ints([-1])], { keepdims: { int: 0 } });
}

export const quantizedLinearOp: Op<LinearAttrs> = {
  name: "quantizedLinear",
  operands,
  infer([x, ...matrix], { bits }) {
    const { n, k } = checkMatrix("quantizedLinear", matrix, bits, "blocks");
    if (x!.shape.at(-1) !== k)
      throw new ShapeError("quantizedLinear", "x", showType(x!), `[..., ${k}], the matrix being [${n}, ${k}]`);
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), n] }];
  },
  onnx(emit, { inputs, outputs, types }, { precision, bits }) {
    const [x, codes, scale, zero, residual] = inputs as [string, string, string, string, string?];
    const { n, blocks, block, k } = sizesOf(types.slice(1), bits);
    const attrs = {
      K: { int: k },
      N: { int: n },
      bits: { int: bits },
      block_size: { int: block },
      accuracy_level: { int: precision === "int8" ? 4 : 1 },
    };
    const product = residual === undefined ? outputs[0]! : emit.temp();
    emit.contrib("MatMulNBits", [x, codes, scale, zero], [product], attrs);
    if (residual === undefined) return;
    const rest = emit.temp();
    const means = emitBlockMeans(emit, x, types[0]!.shape.length, { blocks, block });
    emit.contrib("FusedMatMul", [means, residual], [rest], { alpha: { float: block } });
    emit.node("Add", [product, rest], outputs);
  },
  gradient: ({ inputs: [, ...matrix], given: [dy], attrs: { bits } }) => [
    apply1(quantizedLinearBackwardOp, [dy!, ...matrix], { bits }),
  ],
  // The work is the product's; the residual is a matter of storage, and dense and sparse runs bear it alike.
  cost: ([x, codes]) => ({ flops: mul(2, volume(x!.shape), codes!.shape[0]!) }),
  reference([x, ...matrix], { bits }) {
    const n = matrix[0]!.shape[0]!;
    const k = x!.shape.at(-1)!;
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    for (let j = 0; j < n; j++) {
      const w = row(matrix, bits, j);
      for (let i = 0; i < x!.data.length / k; i++)
        y.data[i * n + j] = w.reduce((sum, v, c) => sum + v * x!.data[i * k + c]!, 0);
    }
    return [y];
  },
};

/**
 * dy [..., N] times the matrix, whose codes become floats only here. They must not be constants, or the compiler keeps
 * the floats.
 */
export const quantizedLinearBackwardOp: Op<MatrixAttrs> = {
  name: "quantizedLinearBackward",
  operands: ["dy", ...operands.slice(1)],
  infer([dy, ...matrix], { bits }) {
    const { n, k } = checkMatrix("quantizedLinearBackward", matrix, bits, "blocks");
    if (dy!.shape.at(-1) !== n) throw new ShapeError("quantizedLinearBackward", "dy", showType(dy!), `[..., ${n}]`);
    return [{ dtype: "f32", shape: [...dy!.shape.slice(0, -1), k] }];
  },
  onnx(emit, { inputs, outputs, types }, { bits }) {
    const [dy, codes, scale, zero, residual] = inputs as [string, string, string, string, string?];
    const { n, blocks, block, k } = sizesOf(types.slice(1), bits);
    const rows = emit.value("Reshape", [codes, emit.ints([n, bytesOfCodes(k, bits)])]);
    const floats = emit.temp();
    emitFloats(emit, [rows, scale, zero], { bits, block, n }, floats);
    if (residual === undefined) return emit.node("MatMul", [dy, floats], outputs);
    const product = emit.value("MatMul", [dy, floats]);
    const perBlock = emit.temp();
    emit.contrib("FusedMatMul", [dy, residual], [perBlock], { transB: { int: 1 } });
    const leading = types[0]!.shape.slice(1).map(() => 0);
    const split = emit.value("Reshape", [product, emit.ints([...leading, blocks, block])]);
    const sum = emit.value("Add", [split, emit.value("Unsqueeze", [perBlock, emit.ints([-1])])]);
    emit.node("Reshape", [sum, emit.ints([...leading, k])], outputs);
  },
  cost: ([dy], [dx]) => ({ flops: mul(2, volume(dx!.shape), dy!.shape.at(-1)!) }),
  reference([dy, ...matrix], { bits }) {
    const n = matrix[0]!.shape[0]!;
    const rows = Array.from({ length: n }, (_, j) => row(matrix, bits, j));
    const k = rows[0]!.length;
    const dx = ndarray([...dy!.shape.slice(0, -1), k]);
    for (const [i, given] of dy!.data.entries())
      for (let c = 0; c < k; c++) dx.data[Math.floor(i / n) * k + c]! += given * rows[i % n]![c]!;
    return [dx];
  },
};

/** A matrix's rows [N, K·bits/8] as floats, all or those of `ids`. Of 8 bits, one kernel for both takes six times as long. */
function emitFloats(
  emit: Emitter,
  parts: readonly [codes: string, scale: string, zero: string],
  { bits, block, n }: MatrixAttrs & Pick<Sizes, "block" | "n">,
  floats: string,
  ids?: string,
): void {
  const [codes, ...others] = parts;
  if (bits === 8) {
    const rows = ids === undefined ? parts : parts.map((part) => emit.value("Gather", [part, ids]));
    emit.node("DequantizeLinear", rows, [floats], { axis: { int: -1 }, block_size: { int: block } });
  } else {
    const all = () => emit.value("Range", [emit.ints([0], []), emit.ints([n], []), emit.ints([1], [])]);
    emit.contrib("GatherBlockQuantized", [codes, ids ?? all(), ...others], [floats], {
      ...{ bits: { int: bits }, block_size: { int: block } },
      ...{ gather_axis: { int: 0 }, quantize_axis: { int: 1 } },
    });
  }
}

export const inOrder = (m: QuantizedMatrix): Tensor[] => [
  m.codes,
  m.scale,
  m.zero,
  ...(m.residual ? [m.residual] : []),
];

/** x [..., K] times the transposed matrix: [..., N]. */
export const quantizedLinear = (x: Tensor, matrix: QuantizedMatrix, precision: Precision = "int8"): Tensor =>
  apply1(quantizedLinearOp, [x, ...inOrder(matrix)], { precision, bits: matrix.bits });

/** Codes, scales and zero points of one row. */
const bytesOfRow = ({ k, blocks }: Sizes, bits: CodeBits): number =>
  bytesOfCodes(k, bits) + 4 * blocks + bytesOfCodes(blocks, bits);

const embeddingOp: Op<MatrixAttrs> = {
  name: "quantizedEmbedding",
  operands: ["ids", ...operands.slice(1)],
  table: 1,
  infer([ids, ...matrix], { bits }) {
    const { k } = checkMatrix("quantizedEmbedding", matrix, bits, "rows");
    if (ids!.shape.length !== 2) throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "[batch, tokens]");
    if (ids!.dtype !== "i64") throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "i64");
    return [{ dtype: "f32", shape: [...ids!.shape, k] }];
  },
  onnx(emit, { inputs, outputs, types }, { bits }) {
    const [ids, codes, scale, zero, residual] = inputs as [string, string, string, string, string?];
    const { n, blocks, block, k } = sizesOf(types.slice(1), bits);
    const rows = residual === undefined ? outputs[0]! : emit.temp();
    emitFloats(emit, [codes, scale, zero], { bits, block, n }, rows, ids);
    if (residual === undefined) return;
    const perBlock = emit.value("Gather", [residual, ids], { axis: { int: 1 } });
    const last = emit.value("Transpose", [perBlock], { perm: { ints: [1, 2, 0] } });
    const split = emit.value("Reshape", [rows, emit.ints([0, 0, blocks, block])]);
    const sum = emit.value("Add", [split, emit.value("Unsqueeze", [last, emit.ints([-1])])]);
    emit.node("Reshape", [sum, emit.ints([0, 0, k])], outputs);
  },
  cost: ([ids, ...matrix], [y], { bits }) => ({
    read: mul(volume(ids!.shape), bytesOfRow(sizesOf(matrix, bits), bits)),
    written: mul(4, volume(y!.shape)),
  }),
  reference([ids, ...matrix], { bits }) {
    const rows = [...ids!.data].map((id) => row(matrix, bits, id));
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
  apply1(embeddingOp, [ids, ...inOrder(matrix)], { bits: matrix.bits });
