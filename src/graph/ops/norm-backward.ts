import { mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import type { Op } from "../op.ts";
import { apply, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

interface NormBackwardAttrs {
  /** By root mean square, or by mean and deviation. */
  readonly kind: "rms" | "layer";
  readonly epsilon: number;
  /** True if the gain's gradient is also computed. */
  readonly ofGain: boolean;
}

const LAST = { keepdims: { int: 1 } };

const normBackwardOp: Op<NormBackwardAttrs> = {
  name: "normBackward",
  operands: ["x", "gain", "dy"],
  infer([x, gain, dy], { ofGain }) {
    if (!sameShape(gain!.shape, x!.shape.slice(-1)))
      throw new ShapeError("normBackward", "gain", showType(gain!), `[${x!.shape.at(-1)}]`);
    if (!sameShape(x!.shape, dy!.shape)) throw new ShapeError("normBackward", "dy", showType(dy!), showType(x!));
    return [x!, ...(ofGain ? [gain!] : [])];
  },
  // With c = x less its mean (x itself for "rms"), r = 1/deviation and w the width: dx = r·(dy·gain − mean(dy·gain) − c·r²·(c·dy)·gain/w).
  onnx(emit, { inputs: [x, gain, dy], outputs: [dx, dgain], types }, { kind, epsilon }) {
    const width = Number(types[0]!.shape.at(-1));
    const share = emit.floats([1 / width], []);
    const last = emit.ints([-1]);
    const column = emit.value("Unsqueeze", [gain!, emit.ints([1])]);
    const centred = kind === "rms" ? x! : emit.value("Sub", [x!, emit.value("ReduceMean", [x!, last], LAST)]);
    const squares = emit.value("Mul", [emit.value("ReduceSumSquare", [centred, last], LAST), share]);
    const deviation = emit.value("Sqrt", [emit.value("Add", [squares, emit.floats([epsilon], [])])]);
    const r = emit.value("Reciprocal", [deviation]);
    const products = emit.value("Mul", [dy!, centred]);
    const along = emit.value("Mul", [emit.value("MatMul", [products, column]), share]);
    const pull = emit.value("Mul", [along, emit.value("Mul", [r, r])]);
    const scaled = emit.value("Mul", [dy!, gain!]);
    const straight =
      kind === "rms"
        ? scaled
        : emit.value("Sub", [scaled, emit.value("Mul", [emit.value("MatMul", [dy!, column]), share])]);
    emit.node("Mul", [emit.value("Sub", [straight, emit.value("Mul", [centred, pull])]), r], [dx!]);
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

/** The rows of x [..., width], each times its factor [..., 1], summed: one thin product. */
function emitRowSum(emit: Emitter, x: string, factors: string, width: number, sum: string): void {
  const rows = emit.value("Reshape", [x, emit.ints([-1, width])]);
  const flat = emit.value("Reshape", [factors, emit.ints([1, -1])]);
  emit.node("Reshape", [emit.value("MatMul", [flat, rows]), emit.ints([width])], [sum]);
}

/** Gradients by x [..., width] and, if requested, by the gain [width], given the gradient dy by the norm of x. */
export function normBackward(
  x: Tensor,
  gain: Tensor,
  dy: Tensor,
  attrs: NormBackwardAttrs,
): { x: Tensor; gain: Tensor | undefined } {
  const [dx, dgain] = apply(normBackwardOp, [x, gain, dy], attrs);
  return { x: dx!, gain: dgain };
}
