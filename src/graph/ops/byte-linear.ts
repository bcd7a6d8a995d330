import { mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** A matrix in bytes, a scale for each of its outputs: w[k, n] = scale[n] · codes[k, n]. */
export interface ByteMatrix {
  /** i8 [K, N], without −128. */
  readonly codes: Tensor;
  /** f32 [N] */
  readonly scale: Tensor;
}

/** Steps of a code on either side of zero. */
export const BYTE_STEPS = 127;

/** Keeps a row of zeros from being divided by zero. */
const LEAST = 1e-30;

export const byteLinearOp: Op<null> = {
  name: "byteLinear",
  operands: ["x", "codes", "scale"],
  infer([x, codes, scale]) {
    const [k, n] = codes!.shape;
    if (codes!.dtype !== "i8" || codes!.shape.length !== 2)
      throw new ShapeError("byteLinear", "codes", showType(codes!), "i8[inputs, outputs]");
    if (!sameShape(scale!.shape, [n!])) throw new ShapeError("byteLinear", "scale", showType(scale!), `[${n}]`);
    if (x!.shape.at(-1) !== k) throw new ShapeError("byteLinear", "x", showType(x!), `[..., ${k}]`);
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), n!] }];
  },
  // The kernel takes unsigned activations of one scale, and is fastest with signed weights: rows are first brought to one range.
  onnx(emit, { inputs: [x, codes, scale], outputs }) {
    const greatest = emit.value("ReduceMax", [emit.value("Abs", [x!]), emit.ints([-1])], { keepdims: { int: 1 } });
    const range = emit.value("Max", [greatest, emit.floats([LEAST], [])]);
    const step = emit.floats([1 / BYTE_STEPS], []);
    const middle = emit.byte(128);
    const rounded = emit.value("QuantizeLinear", [emit.value("Div", [x!, range]), step, middle]);
    const product = emit.temp();
    emit.contrib("MatMulIntegerToFloat", [rounded, codes!, step, scale!, middle], [product]);
    emit.node("Mul", [product, range], outputs);
  },
  cost: ([x, codes]) => ({ flops: mul(2, volume(x!.shape), codes!.shape[1]!) }),
  reference([x, codes, scale]) {
    const [k, n] = codes!.shape as [number, number];
    const y = ndarray([...x!.shape.slice(0, -1), n]);
    for (let i = 0; i < x!.data.length / k; i++)
      for (let c = 0; c < k; c++)
        for (let j = 0; j < n; j++)
          y.data[i * n + j]! += x!.data[i * k + c]! * scale!.data[j]! * codes!.data[c * n + j]!;
    return [y];
  },
};

/**
 * x [..., K] times the matrix: [..., N]. Each row of x is rounded to 8 bits, symmetrically by its greatest number (the
 * per-token quantisation of ZeroQuant, Yao et al. 2022). A relative error of about 1e-2.
 */
export const byteLinear = (x: Tensor, { codes, scale }: ByteMatrix): Tensor =>
  apply1(byteLinearOp, [x, codes, scale], null);
