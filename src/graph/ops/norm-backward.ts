import { mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

interface NormBackwardAttrs {
  /** Divides by the root mean square, or subtracts the mean and divides by the standard deviation. */
  readonly kind: "rms" | "layer";
  readonly epsilon: number;
  /** True if the gain's gradient is also computed. */
  readonly ofGain: boolean;
}

const normBackwardOp: Op<NormBackwardAttrs> = {
  name: "normBackward",
  operands: ["x", "gain", "dy"],
  infer([x, gain, dy], { ofGain }) {
    if (!sameShape(gain!.shape, x!.shape.slice(-1)))
      throw new ShapeError("normBackward", "gain", showType(gain!), `[${x!.shape.at(-1)}]`);
    if (!sameShape(x!.shape, dy!.shape)) throw new ShapeError("normBackward", "dy", showType(dy!), showType(x!));
    return [x!, ...(ofGain ? [gain!] : [])];
  },
  // With n = x normalised without a gain, r = 1/deviation and g = dy·gain: dx = r·(g − mean(g) − n·mean(g·n)), for "rms" without mean(g).
  onnx(emit, { inputs: [x, gain, dy], outputs: [dx, dgain], types }, { kind, epsilon }) {
    const width = Number(types[0]!.shape.at(-1));
    const column = emit.value("Unsqueeze", [gain!, emit.ints([1])]);
    const mean = (y: string) => emit.value("Mul", [emit.value("MatMul", [y, column]), emit.floats([1 / width], [])]);
    const { normed, r } = emitNormed(emit, x!, { kind, epsilon, width });
    const products = emit.value("Mul", [dy!, normed]);
    const scaled = emit.value("Mul", [dy!, gain!]);
    const straight = kind === "rms" ? scaled : emit.value("Sub", [scaled, mean(dy!)]);
    const along = emit.value("Mul", [normed, mean(products)]);
    emit.node("Mul", [emit.value("Sub", [straight, along]), r], [dx!]);
    if (dgain !== undefined) emitRowSum(emit, products, r, width, dgain);
  },
  cost: ([x], _outputs, { kind, ofGain }) => ({
    flops: mul(2 * ([kind === "layer", ofGain].filter(Boolean).length + 1), volume(x!.shape)),
  }),
  reference([x, gain, dy], { kind, epsilon, ofGain }) {
    const width = gain!.data.length;
    const [dx, dgain] = [ndarray(x!.shape), ndarray(gain!.shape)];
    for (let row = 0; row < x!.data.length; row += width) {
      const values = x!.data.subarray(row, row + width);
      const mean = (f: (i: number) => number) => values.reduce((sum, _, i) => sum + f(i), 0) / width;
      const centre = kind === "rms" ? 0 : mean((i) => values[i]!);
      const deviation = Math.sqrt(mean((i) => (values[i]! - centre) ** 2) + epsilon);
      const normed = (i: number) => (values[i]! - centre) / deviation;
      const pulled = (i: number) => dy!.data[row + i]! * gain!.data[i]!;
      const shift = kind === "rms" ? 0 : mean(pulled);
      const along = mean((i) => pulled(i) * normed(i));
      for (let i = 0; i < width; i++) {
        dx.data[row + i] = (pulled(i) - shift - normed(i) * along) / deviation;
        dgain.data[i]! += dy!.data[row + i]! * normed(i);
      }
    }
    return [dx, ...(ofGain ? [dgain] : [])];
  },
};

/** x minus its mean ("rms": x itself), divided by its standard deviation; and r = 1/deviation [..., 1]. */
function emitNormed(
  emit: Emitter,
  x: string,
  { kind, epsilon, width }: Pick<NormBackwardAttrs, "kind" | "epsilon"> & { readonly width: number },
): { normed: string; r: string } {
  const ones = emit.table(`ones_${width}`, new Float32Array(width).fill(1), [width]);
  const [normed, r] = [emit.temp(), emit.temp()];
  const attrs = { axis: { int: -1 }, epsilon: { float: epsilon } };
  if (kind === "rms") emit.node("SimplifiedLayerNormalization", [x, ones], [normed, r], attrs);
  else emit.node("LayerNormalization", [x, ones], [normed, emit.temp(), r], attrs);
  return { normed, r };
}

/** The weighted sum of the rows of x [..., width], with weights `each` [..., 1]: one thin product. */
function emitRowSum(emit: Emitter, x: string, each: string, width: number, sum: string): void {
  const rows = emit.value("Reshape", [x, emit.ints([-1, width])]);
  const ones = emit.value("Expand", [emit.floats([1], []), emit.value("Shape", [each])]);
  const flat = emit.value("Reshape", [ones, emit.ints([1, -1])]);
  emit.node("Reshape", [emit.value("MatMul", [flat, rows]), emit.ints([width])], [sum]);
}

/** Gradients of x [..., width] and, if requested, of the gain [width], given dy, the gradient of the norm of x. */
export function normBackward(
  x: Tensor,
  gain: Tensor,
  dy: Tensor,
  attrs: NormBackwardAttrs,
): { x: Tensor; gain: Tensor | undefined } {
  const [dx, dgain] = apply(normBackwardOp, [x, gain, dy], attrs);
  return { x: dx!, gain: dgain };
}
