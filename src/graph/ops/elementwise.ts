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

/** The error function: its Maclaurin series near zero, its continued fraction in the tail (both exact to float64's last digits there). */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (z + fraction);
    return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)));
  }
  let term = x;
  let total = x;
  for (let k = 1; k < 100; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

/** `exact` by the error function, `tanh` by its approximation: checkpoints are trained with one or the other. */
export type GeluForm = "exact" | "tanh";

const gelus: Readonly<Record<GeluForm, (v: number) => number>> = {
  exact: (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  tanh: (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
};

const geluOp: Op<{ form: GeluForm }> = {
  name: "gelu",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }, { form }) => emit.contrib(form === "tanh" ? "FastGelu" : "Gelu", inputs, outputs),
  reference: ([x], { form }) => [mapNd(x!, gelus[form])],
};

/** x · Φ(x), Φ the normal distribution's (Hendrycks & Gimpel 2016). */
export const gelu = (x: Tensor, form: GeluForm): Tensor => apply1(geluOp, [x], { form });

/** A function of each element that ONNX has under one name. */
const unary = (name: string, onnx: string, f: (v: number) => number): Op<null> => ({
  name,
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }) => emit.node(onnx, inputs, outputs),
  reference: ([x]) => [mapNd(x!, f)],
});

const tanhOp = unary("tanh", "Tanh", Math.tanh);
const reluOp = unary("relu", "Relu", (v) => Math.max(v, 0));

export const tanh = (x: Tensor): Tensor => apply1(tanhOp, [x], null);
/** The greater of x and 0. */
export const relu = (x: Tensor): Tensor => apply1(reluOp, [x], null);

/** cap · tanh(x / cap): keeps scores within ±cap (Gemma 2). */
export const softcap = (x: Tensor, cap: number): Tensor => scale(tanh(scale(x, 1 / cap)), cap);
