import { mul, sameShape, volume } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

/** The possible block sizes: weights that share a scale. Kernels are faster with larger blocks. */
const BLOCKS = [32, 64] as const;
export type Block = (typeof BLOCKS)[number];

/** The number of bits of a code and of a zero point. Two 4-bit numbers share a byte, the first in the low half. */
export type CodeBits = 4 | 8;

/**
 * A matrix [rows N, columns K] as codes: w = scale · (code − zero), with one scale and zero per block of B columns. A
 * `corrected` matrix adds one number to all weights of a block: formats with a real-valued minimum (Q4_1) have no whole
 * zero point, and kernels with float zero points are 70× slower. The number is stored as two digits, codes in extra
 * columns: one is multiplied by the sum of the block's inputs, the other by that sum divided by `DIGITS`.
 */
export interface QuantizedMatrix {
  readonly bits: CodeBits;
  readonly corrected: boolean;
  /** u8 [N, `storedBlocks(K/B)` if corrected, else K/B, B·bits/8]; `quantizedEmbedding` merges the last two axes */
  readonly codes: Tensor;
  /** f32 [N, blocks] */
  readonly scale: Tensor;
  /** u8 [N, ⌈blocks·bits/8⌉] */
  readonly zero: Tensor;
}

/** The number of steps of a correction's second digit per step of the first. */
export const DIGITS = 16;

/** Block size of a corrected matrix. */
export const CORRECTED_BLOCK = 32;
/** The number of blocks of weights per block of correction digits. */
export const SHARING = CORRECTED_BLOCK / 2;

/** The number of stored blocks in a corrected row with this many blocks of weights; only blocks of 32 are corrected. */
export const storedBlocks = (blocks: number): number => blocks + Math.ceil(blocks / SHARING);

/** The inverse of `storedBlocks`. */
const blocksIn = (stored: number): number => Math.floor((stored * SHARING) / (SHARING + 1));

const operands = ["x", "codes", "scale", "zero"];

interface Sizes {
  readonly n: number;
  /** The number of blocks of weights in a row, and the number of columns in a block. */
  readonly blocks: number;
  readonly block: number;
  readonly k: number;
  /** The number of blocks in a row, including its correction. */
  readonly stored: number;
}

/** The sizes of codes stored by block or by row; if by row, the shape of the scales gives the number of blocks. */
function sizesOf([codes, scale]: readonly Pick<TensorType, "shape">[], { bits, corrected }: MatrixAttrs): Sizes {
  const [n, ...inner] = codes!.shape.map(Number) as [number, ...number[]];
  const stored = inner.length > 1 ? inner[0]! : Number(scale!.shape[1]);
  const block = (inner.reduce((a, b) => a * b, 1) * 8) / bits / stored;
  const blocks = corrected ? blocksIn(stored) : stored;
  return { n, blocks, block, k: blocks * block, stored };
}

/** The number of bytes that `count` codes or zero points take. */
export const bytesOfCodes = (count: number, bits: CodeBits): number => Math.ceil((count * bits) / 8);

/** Throws if the codes' layout is wrong for `op`, or the other parts do not match them. */
function checkMatrix(op: string, matrix: readonly TensorType[], attrs: MatrixAttrs, lie: "blocks" | "rows"): Sizes {
  const [codes, scale, zero] = matrix;
  const { bits, corrected } = attrs;
  const sizes = sizesOf(matrix, attrs);
  const { n, block, stored } = sizes;
  const possible = corrected ? [CORRECTED_BLOCK] : BLOCKS;
  const widths = possible.map((b) => bytesOfCodes(b, bits)).join(" or ");
  const inner = { blocks: `blocks, ${widths}`, rows: `${widths} a block` }[lie];
  if (codes!.shape.length !== (lie === "blocks" ? 3 : 2) || !possible.some((b) => b === block))
    throw new ShapeError(op, "codes", showType(codes!), `[rows, ${inner}]`);
  const expect = (operand: string, t: TensorType, shape: number[]) => {
    if (!sameShape(t.shape, shape)) throw new ShapeError(op, operand, showType(t), `[${shape}]`);
  };
  expect("scale", scale!, [n, stored]);
  expect("zero", zero!, [n, bytesOfCodes(stored, bits)]);
  return sizes;
}

/** The code or zero point at index `at` of a row. */
function codeAt({ shape, data }: NdArray, bits: CodeBits, row: number, at: number): number {
  const start = row * shape.slice(1).reduce((a, b) => a * b, 1);
  return bits === 8 ? data[start + at]! : (data[start + (at >> 1)]! >> (4 * (at & 1))) & 15;
}

/** Row `index` of a matrix as weights in float64, from its codes, scales and zero points. */
export function rowOf(matrix: readonly NdArray[], attrs: MatrixAttrs, index: number): Float64Array {
  const [codes, scale, zero] = matrix;
  const { block, k, stored } = sizesOf(matrix, attrs);
  const value = (column: number) => {
    const at = Math.floor(column / block);
    const steps = codeAt(codes!, attrs.bits, index, column) - codeAt(zero!, attrs.bits, index, at);
    return scale!.data[index * stored + at]! * steps;
  };
  const correction = (at: number) => (attrs.corrected ? value(k + 2 * at) + value(k + 2 * at + 1) / DIGITS : 0);
  return Float64Array.from({ length: k }, (_, column) => value(column) + correction(Math.floor(column / block)));
}

/**
 * The kernel's precision: `int8` rounds activations to 8 bits per block (fast, relative error about 5e-3), `float32`
 * does not.
 */
export type Precision = "int8" | "float32";

export interface MatrixAttrs {
  readonly bits: CodeBits;
  readonly corrected: boolean;
}

export interface LinearAttrs extends MatrixAttrs {
  readonly precision: Precision;
}

/** Appends to x [..., K] the factors of a matrix's correction: each block's sum, and the sum divided by DIGITS. */
export function emitWithSums(
  emit: Emitter,
  x: string,
  rank: number,
  matrix: readonly TensorType[],
  attrs: MatrixAttrs,
): string {
  const { blocks, block } = sizesOf(matrix, attrs);
  const outer = Array<number>(rank - 1).fill(0);
  const split = emit.value("Reshape", [x, emit.ints([...outer, blocks, block])]);
  const values = Float32Array.from({ length: 2 * block }, (_, i) => (i % 2 === 0 ? 1 : 1 / DIGITS));
  const sums = emit.value("MatMul", [split, emit.table(`digits_${block}`, values, [block, 2])]);
  const flat = emit.value("Reshape", [sums, emit.ints([...outer, 2 * blocks])]);
  return emit.value("Concat", [x, flat], { axis: { int: rank - 1 } });
}

/** Turns rows [..., stored columns] into weights [..., K], adding the correction in the columns after K. */
function emitCorrected(emit: Emitter, rows: string, rank: number, sizes: Sizes, output: string): void {
  const { blocks, block, k, stored } = sizes;
  const outer = Array<number>(rank - 1).fill(0);
  const ends = [k, 2 * blocks, stored * block - k - 2 * blocks].filter((width) => width > 0);
  const pieces = ends.map(() => emit.temp());
  emit.node("Split", [rows, emit.ints(ends)], pieces, { axis: { int: rank - 1 } });
  const digits = emit.value("Reshape", [pieces[1]!, emit.ints([...outer, blocks, 2])]);
  const correction = emit.value("MatMul", [digits, emit.floats([1, 1 / DIGITS], [2, 1])]);
  const split = emit.value("Reshape", [pieces[0]!, emit.ints([...outer, blocks, block])]);
  emit.node("Reshape", [emit.value("Add", [split, correction]), emit.ints([...outer, k])], [output]);
}

/** x times a matrix. `types` are the types of its parts; x includes its block sums if the matrix is corrected. */
export function emitProduct(
  emit: Emitter,
  [x, ...matrix]: readonly string[],
  y: string,
  types: readonly TensorType[],
  attrs: LinearAttrs,
): void {
  const { n, blocks, block, k } = sizesOf(types, attrs);
  emit.contrib("MatMulNBits", [x!, ...matrix], [y], {
    K: { int: attrs.corrected ? k + 2 * blocks : k },
    N: { int: n },
    bits: { int: attrs.bits },
    block_size: { int: block },
    accuracy_level: { int: attrs.precision === "int8" ? 4 : 1 },
  });
}

export const quantizedLinearOp: Op<LinearAttrs> = {
  name: "quantizedLinear",
  operands,
  infer([x, ...matrix], attrs) {
    const { n, k } = checkMatrix("quantizedLinear", matrix, attrs, "blocks");
    if (x!.shape.at(-1) !== k)
      throw new ShapeError("quantizedLinear", "x", showType(x!), `[..., ${k}] for the matrix [${n}, ${k}]`);
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), n] }];
  },
  onnx(emit, { inputs: [x, ...matrix], outputs: [y], types: [typeOfX, ...types] }, attrs) {
    const wide = attrs.corrected ? emitWithSums(emit, x!, typeOfX!.shape.length, types, attrs) : x!;
    emitProduct(emit, [wide, ...matrix], y!, types, attrs);
  },
  gradient: ({ inputs: [, ...matrix], upstream: [dy], attrs: { bits, corrected } }) => [
    apply1(quantizedLinearBackwardOp, [dy!, ...matrix], { bits, corrected }),
  ],
  // Only the product counts as work; the correction belongs to storage, which dense and sparse runs share.
  cost: ([x, codes]) => ({ flops: mul(2, volume(x!.shape), codes!.shape[0]!) }),
  reference([x, ...matrix], attrs) {
    const n = matrix[0]!.shape[0]!;
    const k = x!.shape.at(-1)!;
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    for (let j = 0; j < n; j++) {
      const w = rowOf(matrix, attrs, j);
      for (let i = 0; i < x!.data.length / k; i++)
        y.data[i * n + j] = w.reduce((sum, v, c) => sum + v * x!.data[i * k + c]!, 0);
    }
    return [y];
  },
};

/**
 * dy [..., N] times the matrix. Codes become floats only for this product; they must not be constants, or else the
 * compiler stores the floats.
 */
export const quantizedLinearBackwardOp: Op<MatrixAttrs> = {
  name: "quantizedLinearBackward",
  operands: ["dy", ...operands.slice(1)],
  infer([dy, ...matrix], attrs) {
    const { n, k } = checkMatrix("quantizedLinearBackward", matrix, attrs, "blocks");
    if (dy!.shape.at(-1) !== n) throw new ShapeError("quantizedLinearBackward", "dy", showType(dy!), `[..., ${n}]`);
    return [{ dtype: "f32", shape: [...dy!.shape.slice(0, -1), k] }];
  },
  onnx(emit, { inputs, outputs, types }, attrs) {
    const [dy, codes, scale, zero] = inputs as [string, string, string, string];
    const sizes = sizesOf(types.slice(1), attrs);
    const rows = emit.value("Reshape", [
      codes,
      emit.ints([sizes.n, bytesOfCodes(sizes.stored * sizes.block, attrs.bits)]),
    ]);
    const floats = emit.temp();
    emitFloats(emit, [rows, scale, zero], { ...sizes, bits: attrs.bits }, floats);
    if (!attrs.corrected) return emit.node("MatMul", [dy, floats], outputs);
    const product = emit.value("MatMul", [dy, floats]);
    emitCorrected(emit, product, types[0]!.shape.length, sizes, outputs[0]!);
  },
  cost: ([dy], [dx]) => ({ flops: mul(2, volume(dx!.shape), dy!.shape.at(-1)!) }),
  reference([dy, ...matrix], attrs) {
    const n = matrix[0]!.shape[0]!;
    const rows = Array.from({ length: n }, (_, j) => rowOf(matrix, attrs, j));
    const k = rows[0]!.length;
    const dx = ndarray([...dy!.shape.slice(0, -1), k]);
    for (const [i, gradient] of dy!.data.entries())
      for (let c = 0; c < k; c++) dx.data[Math.floor(i / n) * k + c]! += gradient * rows[i % n]![c]!;
    return [dx];
  },
};

/**
 * A matrix's rows [N, bytes] as floats: all rows, or the rows at `ids`. With 8 bits, a single kernel that gathers and
 * dequantises takes six times as long as two kernels.
 */
function emitFloats(
  emit: Emitter,
  parts: readonly [codes: string, scale: string, zero: string],
  { bits, block, n }: Pick<MatrixAttrs, "bits"> & Pick<Sizes, "block" | "n">,
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

export const inOrder = (m: QuantizedMatrix): Tensor[] => [m.codes, m.scale, m.zero];

/** x [..., K] times the transposed matrix: [..., N]. */
export const quantizedLinear = (x: Tensor, matrix: QuantizedMatrix, precision: Precision = "int8"): Tensor =>
  apply1(quantizedLinearOp, [x, ...inOrder(matrix)], { precision, ...attrsOf(matrix) });

export const attrsOf = ({ bits, corrected }: MatrixAttrs): MatrixAttrs => ({ bits, corrected });

/** Codes, scales and zero points of one row. */
const bytesOfRow = ({ block, stored }: Sizes, bits: CodeBits): number =>
  bytesOfCodes(stored * block, bits) + 4 * stored + bytesOfCodes(stored, bits);

const embeddingOp: Op<MatrixAttrs> = {
  name: "quantizedEmbedding",
  operands: ["ids", ...operands.slice(1)],
  table: 1,
  infer([ids, ...matrix], attrs) {
    const { k } = checkMatrix("quantizedEmbedding", matrix, attrs, "rows");
    if (ids!.shape.length !== 2) throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "[batch, tokens]");
    if (ids!.dtype !== "i64") throw new ShapeError("quantizedEmbedding", "ids", showType(ids!), "i64");
    return [{ dtype: "f32", shape: [...ids!.shape, k] }];
  },
  onnx(emit, { inputs, outputs, types }, attrs) {
    const [ids, codes, scale, zero] = inputs as [string, string, string, string];
    const sizes = sizesOf(types.slice(1), attrs);
    const rows = attrs.corrected ? emit.temp() : outputs[0]!;
    emitFloats(emit, [codes, scale, zero], { ...sizes, bits: attrs.bits }, rows, ids);
    if (attrs.corrected) emitCorrected(emit, rows, 3, sizes, outputs[0]!);
  },
  cost: ([ids, ...matrix], [y], attrs) => ({
    read: mul(volume(ids!.shape), bytesOfRow(sizesOf(matrix, attrs), attrs.bits)),
    written: mul(4, volume(y!.shape)),
  }),
  reference([ids, ...matrix], attrs) {
    const rows = [...ids!.data].map((id) => rowOf(matrix, attrs, id));
    return [
      ndarray(
        [...ids!.shape, rows[0]!.length],
        rows.flatMap((r) => [...r]),
      ),
    ];
  },
};

/** Rows of the matrix at token ids: ids i64 [batch, tokens] → [batch, tokens, K]. */
export const quantizedEmbedding = (ids: Tensor, matrix: QuantizedMatrix): Tensor =>
  apply1(embeddingOp, [ids, ...inOrder(matrix)], attrsOf(matrix));
