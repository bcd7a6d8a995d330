import { mul, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { imageOf } from "./conv2d.ts";

/** Height and width of an image. */
interface Sides {
  readonly height: number;
  readonly width: number;
}

/** A source position, and its weight in one position of the result. */
interface Tap {
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

/**
 * For each position on an axis of size `to`, the two positions around it on an axis of size `from`; positions beyond an
 * edge are clamped to it.
 */
function tapsOf(from: number, to: number): Tap[] {
  return Array.from({ length: to }, (_, at) => {
    const place = Math.max(0, ((at + 0.5) * from) / to - 0.5);
    const low = Math.floor(place);
    const share = place - low;
    return [
      { from: low, to: at, share: 1 - share },
      { from: Math.min(low + 1, from - 1), to: at, share },
    ];
  }).flat();
}

/** Calls `each` with the indices of every element of `x` and each element of `y` that it contributes to. */
function blends(x: readonly number[], y: readonly number[], each: (x: number, y: number, share: number) => void): void {
  const [outer, inner] = [x[0]! * x[1]!, x[2]! * x[3]!];
  const [rows, columns] = [tapsOf(x[2]!, y[2]!), tapsOf(x[3]!, y[3]!)];
  for (let image = 0; image < outer; image++)
    for (const row of rows)
      for (const column of columns) {
        const from = image * inner + row.from * x[3]! + column.from;
        each(from, (image * y[2]! + row.to) * y[3]! + column.to, row.share * column.share);
      }
}

const resizeOp: Op<Sides> = {
  name: "resizeBilinear",
  operands: ["x"],
  infer([x], { height, width }) {
    const [batch, channels] = imageOf("resizeBilinear", "x", x!);
    if (height < 1 || width < 1)
      throw new ShapeError("resizeBilinear", "x", showType(x!), `a target of at least 1 × 1, not ${height} × ${width}`);
    return [{ dtype: "f32", shape: [batch, channels, height, width] }];
  },
  onnx(emit, { inputs, outputs }, { height, width }) {
    emit.node("Resize", [inputs[0]!, "", "", emit.ints([height, width])], outputs, {
      axes: { ints: [2, 3] },
      mode: { string: "linear" },
      coordinate_transformation_mode: { string: "half_pixel" },
    });
  },
  // Each element is a weighted sum of four elements of x.
  cost: (_, [y]) => ({ flops: mul(8, volume(y!.shape)) }),
  gradient({ inputs: [x], upstream: [dy] }) {
    const [, , height, width] = imageOf("resizeBilinear", "x", x!);
    return [apply1(resizeBackwardOp, [dy!], { height, width })];
  },
  reference([x], { height, width }) {
    const y = ndarray([x!.shape[0]!, x!.shape[1]!, height, width]);
    blends(x!.shape, y.shape, (from, to, share) => {
      y.data[to]! += share * x!.data[from]!;
    });
    return [y];
  },
};

/** The weights as a matrix [from, to]. */
function sharesOf(emit: Emitter, from: number, to: number): string {
  const shares = new Float32Array(from * to);
  for (const tap of tapsOf(from, to)) shares[tap.from * to + tap.to]! += tap.share;
  return emit.table(`bilinear_${from}_${to}`, shares, [from, to]);
}

const resizeBackwardOp: Op<Sides> = {
  name: "resizeBilinearBackward",
  operands: ["dy"],
  infer([dy], { height, width }) {
    const [batch, channels] = imageOf("resizeBilinearBackward", "dy", dy!);
    return [{ dtype: "f32", shape: [batch, channels, height, width] }];
  },
  // A product along each axis.
  onnx(emit, { inputs: [dy], outputs, types: [type] }, { height, width }) {
    const [tall, wide] = type!.shape.slice(2).map(Number) as [number, number];
    const rows = emit.value("MatMul", [sharesOf(emit, height, tall), dy!]);
    const columns = emit.value("Transpose", [sharesOf(emit, width, wide)]);
    emit.node("MatMul", [rows, columns], outputs);
  },
  cost([dy], [dx], { height }) {
    const [batch, channels, tall, wide] = imageOf("resizeBilinearBackward", "dy", dy!);
    const [width] = dx!.shape.slice(3) as [number];
    return { flops: mul(2 * channels * height * wide * (tall + width), batch) };
  },
  reference([dy], { height, width }) {
    const dx = ndarray([dy!.shape[0]!, dy!.shape[1]!, height, width]);
    blends(dx.shape, dy!.shape, (from, to, share) => {
      dx.data[from]! += share * dy!.data[to]!;
    });
    return [dx];
  },
};

/**
 * Bilinear interpolation of x [batch, channels, from height, from width] → [batch, channels, height, width], as
 * PyTorch's `interpolate` with `align_corners=False` and without antialiasing.
 */
export const resizeBilinear = (x: Tensor, sides: Sides): Tensor => apply1(resizeOp, [x], sides);
