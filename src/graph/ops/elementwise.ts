import { type Shape, sameShape } from "../dim.ts";
import { mapNd } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** `b` has a's shape or a suffix of it. */
function binary(name: string, onnx: string, f: (a: number, b: number) => number): Op<null> {
  const fits = (a: Shape, b: Shape) => b.length <= a.length && sameShape(a.slice(a.length - b.length), b);
  return {
    name,
    operands: ["a", "b"],
    infer([a, b]) {
      if (!fits(a!.shape, b!.shape)) throw new ShapeError(name, "b", showType(b!), `a suffix of ${showType(a!)}`);
      return [a!];
    },
    onnx: (emit, { inputs, outputs }) => emit.node(onnx, inputs, outputs),
    reference: ([a, b]) => [mapNd(a!, (v, i) => f(v, b!.data[i % b!.data.length]!))],
  };
}

const addOp = binary("add", "Add", (a, b) => a + b);
const mulOp = binary("mul", "Mul", (a, b) => a * b);

/** a + b; b may lack leading dimensions. */
export const plus = (a: Tensor, b: Tensor): Tensor => apply1(addOp, [a, b], null);
/** a · b element by element; b may lack leading dimensions. */
export const times = (a: Tensor, b: Tensor): Tensor => apply1(mulOp, [a, b], null);

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

const siluOp: Op<null> = {
  name: "silu",
  operands: ["x"],
  infer: ([x]) => [x!],
  // QuickGelu is x·sigmoid(αx): one kernel where Sigmoid and Mul would be two.
  onnx: (emit, { inputs, outputs }) => emit.contrib("QuickGelu", inputs, outputs, { alpha: { float: 1 } }),
  reference: ([x]) => [mapNd(x!, (v) => v * sigmoid(v))],
};

/** x · sigmoid(x) (Elfwing et al. 2018, also called swish). */
export const silu = (x: Tensor): Tensor => apply1(siluOp, [x], null);

const scaleOp: Op<{ factor: number }> = {
  name: "scale",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }, { factor }) => emit.node("Mul", [inputs[0]!, emit.floats([factor], [])], outputs),
  reference: ([x], { factor }) => [mapNd(x!, (v) => v * factor)],
};

export const scale = (x: Tensor, factor: number): Tensor => apply1(scaleOp, [x], { factor });
