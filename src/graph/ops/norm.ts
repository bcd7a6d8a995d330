import { sameShape } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { plus } from "./elementwise.ts";
import { normBackward } from "./norm-backward.ts";
import { full, sumTo } from "./reduce.ts";

interface NormAttrs {
  readonly epsilon: number;
}

function checkGain(op: string, x: TensorType, gain: TensorType): void {
  if (!sameShape(gain.shape, x.shape.slice(-1)))
    throw new ShapeError(op, "gain", showType(gain), `[${x.shape.at(-1)}], the width of ${showType(x)}`);
}

/** Each row of the last axis divided by its root mean square, times the gain. */
function normalise(x: NdArray, gain: NdArray, epsilon: number): NdArray {
  const width = gain.data.length;
  const y = ndarray(x.shape);
  for (let row = 0; row < x.data.length; row += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x.data[row + i]! ** 2;
    const rstd = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = 0; i < width; i++) y.data[row + i] = x.data[row + i]! * rstd * gain.data[i]!;
  }
  return y;
}

const rmsNormOp: Op<NormAttrs> = {
  name: "rmsNorm",
  operands: ["x", "gain"],
  infer([x, gain]) {
    checkGain("rmsNorm", x!, gain!);
    return [x!];
  },
  onnx: (emit, { inputs, outputs }, { epsilon }) =>
    emit.node("SimplifiedLayerNormalization", inputs, outputs, { axis: { int: -1 }, epsilon: { float: epsilon } }),
  gradient({ inputs: [x, gain], upstream: [dy], wanted, attrs: { epsilon } }) {
    const d = normBackward(x!, gain!, dy!, { kind: "rms", epsilon, ofGain: wanted[1]! });
    return [d.x, d.gain];
  },
  reference: ([x, gain], { epsilon }) => [normalise(x!, gain!, epsilon)],
};

/** Root-mean-square norm over the last axis (Zhang & Sennrich 2019). x [..., width], gain [width]. */
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon: number): Tensor => apply1(rmsNormOp, [x, gain], { epsilon });

/** Gradients of x, skip, gain and shift for a norm of x + skip, from the gradients of the norm and of the sum. */
function skipBackward(
  kind: "rms" | "layer",
  { sum, gain }: { sum: Tensor; gain: Tensor },
  [dy, dsum]: readonly (Tensor | undefined)[],
  wanted: readonly boolean[],
  epsilon: number,
): (Tensor | undefined)[] {
  if (dy === undefined) return [dsum, dsum, ...unmoved(gain, wanted.slice(2))];
  const d = normBackward(sum, gain, dy, { kind, epsilon, ofGain: wanted[2]! });
  const both = dsum === undefined ? d.x : plus(d.x, dsum);
  return [both, both, d.gain, wanted[3] ? sumTo(dy, gain.shape) : undefined];
}

/** Zero gradients of gain and shift, if only the sum was used. */
const unmoved = (gain: Tensor, wanted: readonly boolean[]) => wanted.map((w) => (w ? full(gain, 0) : undefined));

const skipRmsNormOp: Op<NormAttrs> = {
  name: "skipRmsNorm",
  operands: ["x", "skip", "gain"],
  infer([x, skip, gain]) {
    if (!sameShape(x!.shape, skip!.shape)) throw new ShapeError("skipRmsNorm", "skip", showType(skip!), showType(x!));
    checkGain("skipRmsNorm", x!, gain!);
    return [x!, x!];
  },
  onnx: (emit, { inputs, outputs }, { epsilon }) =>
    emit.contrib("SkipSimplifiedLayerNormalization", inputs, [outputs[0]!, "", "", outputs[1]!], {
      epsilon: { float: epsilon },
    }),
  gradient: ({ inputs: [, , gain], outputs: [, sum], upstream, wanted, attrs: { epsilon } }) =>
    skipBackward("rms", { sum: sum!, gain: gain! }, upstream, wanted, epsilon),
  reference([x, skip, gain], { epsilon }) {
    const sum = { shape: x!.shape, data: x!.data.map((v, i) => v + skip!.data[i]!) };
    return [normalise(sum, gain!, epsilon), sum];
  },
};

/** Adds x to the residual stream and normalises it in one kernel: `{ normed, residual }`, both of x's shape. */
export function skipRmsNorm(
  x: Tensor,
  skip: Tensor,
  gain: Tensor,
  epsilon: number,
): { normed: Tensor; residual: Tensor } {
  const [normed, residual] = apply(skipRmsNormOp, [x, skip, gain], { epsilon });
  return { normed: normed!, residual: residual! };
}

/** Each row of the last axis minus its mean, divided by its standard deviation, times the gain, plus the shift. */
function standardise(x: NdArray, gain: NdArray, shift: NdArray | undefined, epsilon: number): NdArray {
  const width = gain.data.length;
  const y = ndarray(x.shape);
  for (let row = 0; row < x.data.length; row += width) {
    const values = x.data.subarray(row, row + width);
    const mean = values.reduce((a, b) => a + b, 0) / width;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
    for (let i = 0; i < width; i++)
      y.data[row + i] = ((values[i]! - mean) / Math.sqrt(variance + epsilon)) * gain.data[i]! + (shift?.data[i] ?? 0);
  }
  return y;
}

const layerNormOp: Op<NormAttrs> = {
  name: "layerNorm",
  operands: ["x", "gain", "shift"],
  infer([x, gain, shift]) {
    checkGain("layerNorm", x!, gain!);
    if (shift && !sameShape(shift.shape, gain!.shape))
      throw new ShapeError("layerNorm", "shift", showType(shift), showType(gain!));
    return [x!];
  },
  onnx: (emit, { inputs, outputs }, { epsilon }) =>
    emit.node("LayerNormalization", inputs, outputs, { axis: { int: -1 }, epsilon: { float: epsilon } }),
  gradient({ inputs: [x, gain], upstream: [dy], wanted, attrs: { epsilon } }) {
    const d = normBackward(x!, gain!, dy!, { kind: "layer", epsilon, ofGain: wanted[1]! });
    return [d.x, d.gain, wanted[2] ? sumTo(dy!, gain!.shape) : undefined];
  },
  reference: ([x, gain, shift], { epsilon }) => [standardise(x!, gain!, shift, epsilon)],
};

/** Layer norm over the last axis (Ba et al. 2016). x [..., width], gain and shift [width]; some models have no shift. */
export const layerNorm = (x: Tensor, gain: Tensor, shift: Tensor | undefined, epsilon: number): Tensor =>
  apply1(layerNormOp, [x, gain, ...(shift ? [shift] : [])], { epsilon });

const skipLayerNormOp: Op<NormAttrs> = {
  name: "skipLayerNorm",
  operands: ["x", "skip", "gain", "shift"],
  infer([x, skip, gain]) {
    if (!sameShape(x!.shape, skip!.shape)) throw new ShapeError("skipLayerNorm", "skip", showType(skip!), showType(x!));
    checkGain("skipLayerNorm", x!, gain!);
    return [x!, x!];
  },
  // These two operators take a tenth of the fused kernel's time.
  onnx(emit, { inputs: [x, skip, ...weights], outputs: [normed, sum] }, { epsilon }) {
    emit.node("Add", [x!, skip!], [sum!]);
    const attrs = { axis: { int: -1 }, epsilon: { float: epsilon } };
    emit.node("LayerNormalization", [sum!, ...weights], [normed!], attrs);
  },
  gradient: ({ inputs: [, , gain], outputs: [, sum], upstream, wanted, attrs: { epsilon } }) =>
    skipBackward("layer", { sum: sum!, gain: gain! }, upstream, wanted, epsilon),
  reference([x, skip, gain, shift], { epsilon }) {
    const sum = { shape: x!.shape, data: x!.data.map((v, i) => v + skip!.data[i]!) };
    return [standardise(sum, gain!, shift, epsilon), sum];
  },
};

/** Like `skipRmsNorm`, but with layer norm. */
export function skipLayerNorm(x: Tensor, skip: Tensor, gain: Tensor, shift: Tensor | undefined, epsilon: number) {
  const [normed, residual] = apply(skipLayerNormOp, [x, skip, gain, ...(shift ? [shift] : [])], { epsilon });
  return { normed: normed!, residual: residual! };
}
