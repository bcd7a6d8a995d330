import { mul, type Shape, sameShape, volume } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { sumTo } from "./reduce.ts";
import { reverse } from "./shape.ts";

/** The width of the kernel. */
function checkConv(op: string, [x, weight, bias]: readonly TensorType[]): number {
  const [channels, width] = [x!.shape[2], weight!.shape[2]];
  if (x!.shape.length !== 3 || typeof channels !== "number")
    throw new ShapeError(op, "x", showType(x!), "[batch, tokens, channels]");
  if (typeof width !== "number" || !sameShape(weight!.shape, [channels, 1, width]))
    throw new ShapeError(op, "weight", showType(weight!), `[${channels}, 1, width]`);
  if (bias && !sameShape(bias.shape, [channels])) throw new ShapeError(op, "bias", showType(bias), `[${channels}]`);
  return width;
}

/** One axis of tokens; channels are the last axis. */
const LAYOUT = { ndim: { int: 1 }, channels_last: { int: 1 } };

const convFlops = (x: TensorType, weight: TensorType) => mul(2, volume(x.shape), weight.shape[2]!);

/** `before` holds the width − 1 tokens before x [batch, tokens, channels]. */
function convolve(x: NdArray, weight: NdArray, bias: NdArray | undefined, before?: NdArray): NdArray {
  const [, tokens, channels] = x.shape as [number, number, number];
  const width = weight.shape[2]!;
  const y = ndarray(x.shape);
  for (let i = 0; i < y.data.length; i++) {
    const [c, t, b] = [i % channels, Math.floor(i / channels) % tokens, Math.floor(i / channels / tokens)];
    let total = bias?.data[c] ?? 0;
    for (let k = 0; k < width; k++) {
      const at = t - width + 1 + k;
      const early = before ? before.data[(b * (width - 1) + at + width - 1) * channels + c] : 0;
      total += weight.data[c * width + k]! * (at < 0 ? early! : x.data[(b * tokens + at) * channels + c]!);
    }
    y.data[i] = total;
  }
  return y;
}

const causalConvOp: Op<null> = {
  name: "causalConv",
  operands: ["x", "weight", "bias"],
  infer(types) {
    checkConv("causalConv", types);
    return [types[0]!];
  },
  onnx: (emit, { inputs, outputs }) => emit.contrib("CausalConvWithState", inputs, [outputs[0]!, emit.temp()], LAYOUT),
  gradient({ inputs: [x, weight, bias], upstream: [dy], wanted }) {
    const backwards = () => reverse(causalConv(reverse(dy!, 1), weight!), 1);
    return [
      wanted[0] ? backwards() : undefined,
      wanted[1] ? causalConvWeightGradient(x!, dy!, weight!.shape) : undefined,
      wanted[2] ? sumTo(dy!, bias!.shape) : undefined,
    ];
  },
  cost: ([x, weight]) => ({ flops: convFlops(x!, weight!) }),
  reference: ([x, weight, bias]) => [convolve(x!, weight!, bias)],
};

/**
 * A causal convolution of each channel, with zeros before the first token: x [batch, tokens, channels], weight
 * [channels, 1, width], bias [channels]. The weight's last element multiplies the token itself.
 */
export const causalConv = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
  apply1(causalConvOp, bias ? [x, weight, bias] : [x, weight], null);

const weightGradientOp: Op<{ shape: Shape }> = {
  name: "causalConvWeightGradient",
  operands: ["x", "dy"],
  infer([x, dy], { shape }) {
    if (!sameShape(x!.shape, dy!.shape))
      throw new ShapeError("causalConvWeightGradient", "dy", showType(dy!), showType(x!));
    return [{ dtype: "f32", shape }];
  },
  onnx(emit, { inputs: [x, dy], outputs }, { shape }) {
    const width = Number(shape[2]);
    const [start, axis] = [emit.ints([0]), emit.ints([1])];
    const columns = Array.from({ length: width }, (_, k) => {
      const shift = width - 1 - k;
      const early = shift === 0 ? x! : emit.value("Slice", [x!, start, emit.ints([-shift]), axis]);
      const late = shift === 0 ? dy! : emit.value("Slice", [dy!, emit.ints([shift]), emit.ints([2 ** 31]), axis]);
      const sums = emit.value("ReduceSum", [emit.value("Mul", [early, late]), emit.ints([0, 1])], {
        keepdims: { int: 0 },
      });
      return emit.value("Reshape", [sums, emit.ints([Number(shape[0]), 1, 1])]);
    });
    emit.node("Concat", columns, outputs, { axis: { int: 2 } });
  },
  cost: ([x], [weight]) => ({ flops: convFlops(x!, weight!) }),
  reference([x, dy], { shape }) {
    const [, tokens, channels] = x!.shape as [number, number, number];
    const width = Number(shape[2]);
    const y = ndarray([channels, 1, width]);
    for (const [i, gradient] of dy!.data.entries()) {
      const [c, t] = [i % channels, Math.floor(i / channels) % tokens];
      for (let k = Math.max(0, width - 1 - t); k < width; k++)
        y.data[c * width + k]! += gradient * x!.data[i - (width - 1 - k) * channels]!;
    }
    return [y];
  },
};

/** Gradient of the weight, given dy, the gradient of `causalConv(x, weight)`. */
const causalConvWeightGradient = (x: Tensor, dy: Tensor, shape: Shape): Tensor =>
  apply1(weightGradientOp, [x, dy], { shape });

/** The operands by name, with or without a bias. */
const withBias = <T>([x, weight, ...rest]: readonly T[]): { x: T; weight: T; bias: T | undefined; state: T } => ({
  ...{ x: x!, weight: weight!, state: rest.at(-1)! },
  bias: rest.length > 1 ? rest[0] : undefined,
});

/**
 * True if ONNX Runtime runs an image convolution with a constant weight in blocks of channels (only on x86), in a third
 * of `CausalConvWithState`'s time for a prompt, half for a token. Without blocks, it is slower for a token.
 */
const inBlocks = ({ shape }: TensorType): boolean => process.arch === "x64" && Number(shape[0]) % 16 === 0;

/** Emits the convolution as one over an image with one column. */
function emitAsImage(
  emit: Emitter,
  { x, weight, bias, state }: ReturnType<typeof withBias<string>>,
  outputs: readonly string[],
  { shape }: TensorType,
) {
  const [channels, , width] = shape.map(Number) as [number, number, number];
  const all = emit.value("Concat", [state, x], { axis: { int: 1 } });
  const image = emit.value("Unsqueeze", [all, emit.ints([2])]);
  const channelsFirst = emit.value("Transpose", [image], { perm: { ints: [0, 3, 1, 2] } });
  const kernel = emit.value("Unsqueeze", [weight, emit.ints([3])]);
  const attrs = { group: { int: channels }, kernel_shape: { ints: [width, 1] } };
  const convolved = emit.value("Conv", bias ? [channelsFirst, kernel, bias] : [channelsFirst, kernel], attrs);
  const channelsLast = emit.value("Transpose", [convolved], { perm: { ints: [0, 2, 3, 1] } });
  emit.node("Squeeze", [channelsLast, emit.ints([2])], [outputs[0]!]);
  emit.node("Slice", [all, emit.ints([1 - width]), emit.ints([2 ** 31 - 1]), emit.ints([1])], [outputs[1]!]);
}

const withStateOp: Op<null> = {
  name: "causalConvWithState",
  operands: ["x", "weight", "bias or state", "state"],
  trainedAs: "causalConv",
  infer(types) {
    const { x, weight, bias, state } = withBias(types);
    const width = checkConv("causalConvWithState", bias ? [x, weight, bias] : [x, weight]);
    const shape = [x.shape[0]!, width - 1, x.shape[2]!];
    if (!sameShape(state.shape, shape))
      throw new ShapeError("causalConvWithState", "state", showType(state), `[${shape.join(", ")}]`);
    return [x, state];
  },
  onnx(emit, { inputs, outputs, types }) {
    const { x, weight, bias, state } = withBias(inputs);
    if (inBlocks(types[1]!)) emitAsImage(emit, { x, weight, bias, state }, outputs, types[1]!);
    else emit.contrib("CausalConvWithState", [x, weight, bias ?? "", state], outputs, LAYOUT);
  },
  cost: ([x, weight]) => ({ flops: convFlops(x!, weight!) }),
  reference(operands) {
    const { x, weight, bias, state } = withBias(operands);
    const [batch, tokens, channels] = x.shape as [number, number, number];
    const floats = state.shape[1]! * channels;
    const next = ndarray(state.shape);
    for (let b = 0; b < batch; b++) {
      const row = x.data.subarray(b * tokens * channels, (b + 1) * tokens * channels);
      const all = [...state.data.subarray(b * floats, (b + 1) * floats), ...row];
      next.data.set(all.slice(all.length - floats), b * floats);
    }
    return [convolve(x, weight, bias, state), next];
  },
};

/**
 * Like `causalConv`, after other tokens: `state` [batch, width − 1, channels] holds the last inputs; the result includes
 * the new state.
 */
export function causalConvWithState(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  state: Tensor,
): { readonly y: Tensor; readonly state: Tensor } {
  const [y, next] = apply(withStateOp, bias ? [x, weight, bias, state] : [x, weight, state], null);
  return { y: y!, state: next! };
}
