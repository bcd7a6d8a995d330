import { type Dim, mul, type Shape, sameDim, sameShape, volume } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { scale } from "./elementwise.ts";
import { sum, sumTo } from "./reduce.ts";
import { reshape } from "./shape.ts";

/** The stride, and the zeros on each side. */
export interface Conv2dAttrs {
  readonly stride: number;
  readonly padding: number;
}

const sideAfter = (side: number, kernel: number, { stride, padding }: Conv2dAttrs): number =>
  Math.floor((side + 2 * padding - kernel) / stride) + 1;

/** [batch, channels, height, width]; only the batch may be symbolic. */
export type Image = readonly [Dim, number, number, number];

/** An operand's shape as an image batch. @throws ShapeError */
export function imageOf(op: string, operand: string, type: TensorType): Image {
  const [batch, ...sizes] = type.shape;
  if (sizes.length !== 3 || !sizes.every((size) => typeof size === "number"))
    throw new ShapeError(op, operand, showType(type), "[batch, channels, height, width]");
  return [batch!, ...sizes] as unknown as Image;
}

const strides = ({ stride, padding }: Conv2dAttrs) => ({
  strides: { ints: [stride, stride] },
  pads: { ints: [padding, padding, padding, padding] },
});

/** One multiplication in a convolution, given as the indices of its image, kernel and result elements. */
type Product = (image: number, kernel: number, result: number) => void;

/** Calls `each` for every multiplication in a convolution. */
function products(image: readonly number[], kernel: readonly number[], attrs: Conv2dAttrs, each: Product): void {
  const [batch, channels, height, width] = image as [number, number, number, number];
  const [outputs, , rows, columns] = kernel as [number, number, number, number];
  const [tall, wide] = [sideAfter(height, rows, attrs), sideAfter(width, columns, attrs)];
  for (let result = 0; result < batch * outputs * tall * wide; result++) {
    const [x, y] = [result % wide, Math.floor(result / wide) % tall];
    const [o, b] = [Math.floor(result / wide / tall) % outputs, Math.floor(result / wide / tall / outputs)];
    for (let place = 0; place < channels * rows * columns; place++) {
      const [c, i, j] = [Math.floor(place / rows / columns), Math.floor(place / columns) % rows, place % columns];
      const [row, column] = [y * attrs.stride - attrs.padding + i, x * attrs.stride - attrs.padding + j];
      if (row >= 0 && row < height && column >= 0 && column < width)
        each(((b * channels + c) * height + row) * width + column, o * channels * rows * columns + place, result);
    }
  }
}

const conv2dOp: Op<Conv2dAttrs> = {
  name: "conv2d",
  operands: ["x", "weight", "bias"],
  infer([x, weight, bias], attrs) {
    const [batch, channels, height, width] = imageOf("conv2d", "x", x!);
    const [outputs, inner, rows, columns] = imageOf("conv2d", "weight", weight!);
    if (inner !== channels) throw new ShapeError("conv2d", "weight", showType(weight!), `[outputs, ${channels}, …]`);
    if (bias && !sameShape(bias.shape, [outputs]))
      throw new ShapeError("conv2d", "bias", showType(bias), `[${outputs}]`);
    const sides = [sideAfter(height, rows, attrs), sideAfter(width, columns, attrs)];
    if (sides.some((side) => side < 1))
      throw new ShapeError("conv2d", "x", showType(x!), `sides of at least the kernel's ${rows} × ${columns}`);
    return [{ dtype: "f32", shape: [batch, outputs, ...sides] }];
  },
  onnx: (emit, { inputs, outputs }, attrs) => emit.node("Conv", inputs, outputs, strides(attrs)),
  gradient: ({ inputs: [x, weight, bias], upstream: [dy], wanted, attrs }) => [
    wanted[0] ? imageGradient(dy!, weight!, x!.shape, attrs) : undefined,
    wanted[1] ? kernelGradient(x!, dy!, weight!.shape, attrs) : undefined,
    wanted[2] ? channelSums(dy!, bias!.shape) : undefined,
  ],
  cost: ([, weight], [y]) => ({ flops: flopsOf(y!.shape, weight!.shape) }),
  reference([x, weight, bias], attrs) {
    const [, , height, width] = x!.shape as [number, number, number, number];
    const [outputs, , rows, columns] = weight!.shape as [number, number, number, number];
    const sides = [sideAfter(height, rows, attrs), sideAfter(width, columns, attrs)] as const;
    const y = ndarray([x!.shape[0]!, outputs, ...sides]);
    products(x!.shape, weight!.shape, attrs, (image, kernel, at) => {
      y.data[at]! += x!.data[image]! * weight!.data[kernel]!;
    });
    const area = sides[0] * sides[1];
    return [bias ? { ...y, data: y.data.map((v, i) => v + bias.data[Math.floor(i / area) % outputs]!) } : y];
  },
};

/** Each element of the result [batch, outputs, …] is the dot product of a patch and one kernel [channels, …]. */
const flopsOf = (result: Shape, kernel: Shape): Dim => mul(2, volume(result), volume(kernel.slice(1)));

/**
 * A convolution of images, like PyTorch's `conv2d`: x [batch, channels, height, width], weight [outputs, channels,
 * rows, columns], bias [outputs] → [batch, outputs, …].
 */
export const conv2d = (x: Tensor, weight: Tensor, bias: Tensor | undefined, attrs: Conv2dAttrs): Tensor =>
  apply1(conv2dOp, bias ? [x, weight, bias] : [x, weight], attrs);

/** The sum of x [batch, channels, height, width] over the batch and all pixels. */
function channelSums(x: Tensor, shape: Shape): Tensor {
  const [batch, channels, height, width] = imageOf("channelSums", "x", x);
  return sumTo(sum(reshape(x, [batch, channels, height * width]), 2), shape);
}

interface ImageGradientAttrs extends Conv2dAttrs {
  /** Sizes of the image. */
  readonly height: number;
  readonly width: number;
}

/** A kernel rotated by 180°, its inputs and outputs swapped: convolving with it is faster than ConvTranspose. */
function turnedKernel(emit: Emitter, kernel: string): string {
  const ends = emit.ints([-(2 ** 31), -(2 ** 31)]);
  const reversed = emit.value("Slice", [kernel, emit.ints([-1, -1]), ends, emit.ints([2, 3]), emit.ints([-1, -1])]);
  return emit.value("Transpose", [reversed], { perm: { ints: [1, 0, 2, 3] } });
}

const imageGradientOp: Op<ImageGradientAttrs> = {
  name: "conv2dImageGradient",
  operands: ["dy", "weight"],
  infer([dy, weight], { height, width }) {
    if (!sameDim(dy!.shape[1]!, weight!.shape[0]!))
      throw new ShapeError("conv2dImageGradient", "dy", showType(dy!), `[batch, ${weight!.shape[0]}, …]`);
    return [{ dtype: "f32", shape: [dy!.shape[0]!, weight!.shape[1]!, height, width] }];
  },
  onnx(emit, { inputs, outputs, types: [dy, weight] }, { height, width, ...attrs }) {
    const [rows, columns] = weight!.shape.slice(2).map(Number) as [number, number];
    if (attrs.stride === 1 && rows === columns && attrs.padding < rows) {
      const turned = turnedKernel(emit, inputs[1]!);
      return emit.node(
        "Conv",
        [inputs[0]!, turned],
        outputs,
        strides({ stride: 1, padding: rows - 1 - attrs.padding }),
      );
    }
    const [tall, wide] = dy!.shape.slice(2).map(Number) as [number, number];
    const rest = (side: number, result: number, kernel: number) =>
      side - ((result - 1) * attrs.stride + kernel - 2 * attrs.padding);
    emit.node("ConvTranspose", inputs, outputs, {
      ...strides(attrs),
      output_padding: { ints: [rest(height, tall, rows), rest(width, wide, columns)] },
    });
  },
  cost: ([dy, weight]) => ({ flops: flopsOf(dy!.shape, weight!.shape) }),
  reference([dy, weight], { height, width, ...attrs }) {
    const dx = ndarray([dy!.shape[0]!, weight!.shape[1]!, height, width]);
    products(dx.shape, weight!.shape, attrs, (image, kernel, at) => {
      dx.data[image]! += dy!.data[at]! * weight!.data[kernel]!;
    });
    return [dx];
  },
};

/** Gradient of the image, in this shape, given dy, the gradient of `conv2d(image, weight)`. */
function imageGradient(dy: Tensor, weight: Tensor, shape: Shape, attrs: Conv2dAttrs): Tensor {
  const [height, width] = shape.slice(2).map(Number) as [number, number];
  return apply1(imageGradientOp, [dy, weight], { ...attrs, height, width });
}

interface KernelGradientAttrs extends Conv2dAttrs {
  readonly shape: Shape;
}

const kernelGradientOp: Op<KernelGradientAttrs> = {
  name: "conv2dKernelGradient",
  operands: ["x", "dy"],
  infer([x, dy], { shape }) {
    if (!sameDim(x!.shape[0]!, dy!.shape[0]!))
      throw new ShapeError("conv2dKernelGradient", "dy", showType(dy!), `the batch of ${showType(x!)}`);
    return [{ dtype: "f32", shape }];
  },
  // The pixels under each kernel element become columns: one product per image.
  onnx(emit, { inputs: [x, dy], outputs, types }, { shape, stride, padding }) {
    const [outer, channels, rows, columns] = shape.map(Number) as [number, number, number, number];
    const [tall, wide] = types[1]!.shape.slice(2).map(Number) as [number, number];
    const pads = emit.ints([0, 0, padding, padding, 0, 0, padding, padding]);
    const padded = padding === 0 ? x! : emit.value("Pad", [x!, pads]);
    const met = Array.from({ length: rows * columns }, (_, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      const end = emit.ints([row + (tall - 1) * stride + 1, column + (wide - 1) * stride + 1]);
      const part = [padded, emit.ints([row, column]), end, emit.ints([2, 3]), emit.ints([stride, stride])];
      return emit.value("Reshape", [emit.value("Slice", part), emit.ints([0, channels, 1, tall * wide])]);
    });
    const all = emit.value("Concat", met, { axis: { int: 2 } });
    const flat = emit.value("Reshape", [all, emit.ints([0, channels * rows * columns, tall * wide])]);
    const gradient = emit.value("Reshape", [dy!, emit.ints([0, outer, tall * wide])]);
    const each = emit.temp();
    emit.contrib("FusedMatMul", [gradient, flat], [each], { transB: { int: 1 } });
    const total = emit.value("ReduceSum", [each, emit.ints([0])], { keepdims: { int: 0 } });
    emit.node("Reshape", [total, emit.ints([outer, channels, rows, columns])], outputs);
  },
  cost: ([, dy], _, { shape }) => ({ flops: flopsOf(dy!.shape, shape) }),
  reference([x, dy], { shape, ...attrs }) {
    const dw = ndarray(shape.map(Number));
    products(x!.shape, dw.shape, attrs, (image, kernel, at) => {
      dw.data[kernel]! += dy!.data[at]! * x!.data[image]!;
    });
    return [dw];
  },
};

/** Gradient of the kernel, in this shape, given dy, the gradient of `conv2d(x, kernel)`. */
const kernelGradient = (x: Tensor, dy: Tensor, shape: Shape, attrs: Conv2dAttrs): Tensor =>
  apply1(kernelGradientOp, [x, dy], { ...attrs, shape });

const enlargeOp: Op<{ factor: number }> = {
  name: "enlarge",
  operands: ["x"],
  infer([x], { factor }) {
    const [batch, channels, height, width] = imageOf("enlarge", "x", x!);
    return [{ dtype: "f32", shape: [batch, channels, height * factor, width * factor] }];
  },
  onnx(emit, { inputs, outputs }, { factor }) {
    const scales = emit.floats([1, 1, factor, factor]);
    const modes = { mode: { string: "nearest" }, nearest_mode: { string: "floor" } };
    emit.node("Resize", [inputs[0]!, "", scales], outputs, {
      ...modes,
      coordinate_transformation_mode: { string: "asymmetric" },
    });
  },
  gradient: ({ upstream: [dy], attrs: { factor } }) => [squareSums(dy!, factor)],
  reference([x], { factor }) {
    const y = ndarray([...x!.shape.slice(0, 2), x!.shape[2]! * factor, x!.shape[3]! * factor]);
    return [{ ...y, data: y.data.map((_, i) => x!.data[placeOf(i, y, factor)]!) }];
  },
};

/** Nearest up-sampling of x [batch, channels, height, width]: each pixel becomes a square of `factor` × `factor`. */
export const enlarge = (x: Tensor, factor: number): Tensor => apply1(enlargeOp, [x], { factor });

/** The index of the pixel that element i belongs to in an image `factor` times smaller. */
function placeOf(i: number, { shape }: NdArray, factor: number): number {
  const [, , height, width] = shape as [number, number, number, number];
  const [x, y, rest] = [i % width, Math.floor(i / width) % height, Math.floor(i / width / height)];
  const [tall, wide] = [height / factor, width / factor];
  return (rest * tall + Math.floor(y / factor)) * wide + Math.floor(x / factor);
}

/** The sums over squares of `factor` × `factor` pixels of x [batch, channels, height, width]. */
function squareSums(x: Tensor, factor: number): Tensor {
  const [batch, channels, height, width] = imageOf("squareSums", "x", x);
  const [tall, wide] = [height / factor, width / factor];
  return sum(sum(reshape(x, [batch, channels, tall, factor, wide, factor]), 5), 3);
}

/** The mean of each square of `factor` × `factor` pixels of x [batch, channels, height, width]. */
export const averageSquares = (x: Tensor, factor: number): Tensor => scale(squareSums(x, factor), 1 / factor ** 2);
