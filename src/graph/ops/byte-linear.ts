import { mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { rotateBlocks } from "./rotate-blocks.ts";

/** A matrix in bytes, with one scale per output: w[k, n] = scale[n] · (codes[k, n] + low[k, n] / 254). */
export interface ByteMatrix {
  /** i8 [K, N], without −128. */
  readonly codes: Tensor;
  /** f32 [N] */
  readonly scale: Tensor;
  /** Optional second digits, shaped like `codes`; activations then have second digits as well. */
  readonly low?: Tensor | undefined;
  /** f32 [n, n], orthogonal: rotates every n consecutive inputs of x and of the weights; no rotation if absent. */
  readonly block?: Tensor | undefined;
}

/** The storage and multiplication of byte weights. */
export interface ByteForm {
  /** The number of bytes per weight and per activation. */
  readonly digits: 1 | 2;
  /** The block size of the rotation applied to weights and inputs; 0 means no rotation. */
  readonly rotation: 0 | 32;
}

/** Names a form in keys and folders. */
export const byteFormKey = ({ digits, rotation }: ByteForm): string =>
  rotation === 0 ? `bytes-${digits}` : `bytes-${digits}-rotated-${rotation}`;

/** The number of steps of a code on each side of zero. */
export const BYTE_STEPS = 127;

/** The number of steps of the second digit per step of the first. */
export const LOW_STEPS = 2 * BYTE_STEPS;

/** Prevents a division by zero in rows of zeros. */
const LEAST = 1e-30;

const byteLinearOp: Op<null> = {
  name: "byteLinear",
  operands: ["x", "codes", "scale", "low"],
  infer([x, codes, scale, low]) {
    const [k, n] = codes!.shape;
    if (codes!.dtype !== "i8" || codes!.shape.length !== 2)
      throw new ShapeError("byteLinear", "codes", showType(codes!), "i8[inputs, outputs]");
    if (!sameShape(scale!.shape, [n!])) throw new ShapeError("byteLinear", "scale", showType(scale!), `[${n}]`);
    if (low && (low.dtype !== "i8" || !sameShape(low.shape, codes!.shape)))
      throw new ShapeError("byteLinear", "low", showType(low), showType(codes!));
    if (x!.shape.at(-1) !== k) throw new ShapeError("byteLinear", "x", showType(x!), `[..., ${k}]`);
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), n!] }];
  },
  // The kernel takes unsigned activations with one scale, and is fastest with signed weights: rows are first scaled to one
  // range.
  onnx(emit, { inputs: [x, codes, scale, low], outputs }) {
    const greatest = emit.value("ReduceMax", [emit.value("Abs", [x!]), emit.ints([-1])], { keepdims: { int: 1 } });
    const range = emit.value("Max", [greatest, emit.floats([LEAST], [])]);
    const step = emit.floats([1 / BYTE_STEPS], []);
    const middle = emit.byte(128);
    const unit = emit.value("Div", [x!, range]);
    const high = emit.value("QuantizeLinear", [unit, step, middle]);
    const multiply = (a: string, by: string, b: string) => {
      const product = emit.temp();
      emit.contrib("MatMulIntegerToFloat", [a, b, by, scale!, middle], [product]);
      return product;
    };
    const first = multiply(high, step, codes!);
    if (low === undefined) return emit.node("Mul", [first, range], outputs);
    const fine = emit.floats([1 / BYTE_STEPS / LOW_STEPS], []);
    const rest = emit.value("Sub", [unit, emit.value("DequantizeLinear", [high, step, middle])]);
    const second = emit.value("QuantizeLinear", [rest, fine, middle]);
    // The product of both second digits is left out: it is below the sum's float32 precision.
    const sum = emit.value("Sum", [first, multiply(second, fine, codes!), multiply(high, fine, low)]);
    emit.node("Mul", [sum, range], outputs);
  },
  cost: ([x, codes]) => ({ flops: mul(2, volume(x!.shape), codes!.shape[1]!) }),
  reference([x, codes, scale, low]) {
    const [k, n] = codes!.shape as [number, number];
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    const weightAt = (at: number) => codes!.data[at]! + (low ? low.data[at]! / LOW_STEPS : 0);
    for (let i = 0; i < x!.data.length / k; i++)
      for (let c = 0; c < k; c++)
        for (let j = 0; j < n; j++) y.data[i * n + j]! += x!.data[i * k + c]! * scale!.data[j]! * weightAt(c * n + j);
    return [y];
  },
};

/**
 * x [..., K] times the matrix: [..., N]. Each row of x is rounded to 8 bits, symmetrically, scaled by its largest
 * magnitude (the per-token quantisation of ZeroQuant, Yao et al. 2022): a relative error of about 1e-2, or 1e-4 with
 * second digits. The cost counts one product even with second digits, because they only add precision. Outliers coarsen
 * a row's steps; a rotation spreads them over their block (the online rotations of QuaRot, Ashkboos et al. 2024).
 */
export const byteLinear = (x: Tensor, { codes, scale, low, block }: ByteMatrix): Tensor =>
  apply1(byteLinearOp, [block ? rotateBlocks(x, block) : x, codes, scale, ...(low ? [low] : [])], null);
