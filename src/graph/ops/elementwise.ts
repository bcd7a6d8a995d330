import { type Shape, sameShape } from "../dim.ts";
import { mapNd, ndarray } from "../ndarray.ts";
import { apply1, type GradientRule, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { erf, type GeluForm, geluBackward, sigmoid as logistic, siluBackward } from "./activation-backward.ts";
import { full, sum, sumTo } from "./reduce.ts";

export type { GeluForm };

type Rule = GradientRule<null>;

/** `b` has the shape of a, or a suffix of it. */
function binary(name: string, onnx: string, f: (a: number, b: number) => number, gradient: Rule): Op<null> {
  const fits = (a: Shape, b: Shape) => b.length <= a.length && sameShape(a.slice(a.length - b.length), b);
  return {
    name,
    operands: ["a", "b"],
    infer([a, b]) {
      if (!fits(a!.shape, b!.shape)) throw new ShapeError(name, "b", showType(b!), `a suffix of ${showType(a!)}`);
      return [a!];
    },
    onnx: (emit, { inputs, outputs }) => emit.node(onnx, inputs, outputs),
    gradient,
    reference: ([a, b]) => [mapNd(a!, (v, i) => f(v, b!.data[i % b!.data.length]!))],
  };
}

const addOp = binary(
  "add",
  "Add",
  (a, b) => a + b,
  ({ inputs: [, b], upstream: [dy], wanted }) => [dy, wanted[1] ? sumTo(dy!, b!.shape) : undefined],
);
const subOp = binary(
  "sub",
  "Sub",
  (a, b) => a - b,
  ({ inputs: [, b], upstream: [dy], wanted }) => [dy, wanted[1] ? scale(sumTo(dy!, b!.shape), -1) : undefined],
);
const mulOp = binary(
  "mul",
  "Mul",
  (a, b) => a * b,
  ({ inputs: [a, b], upstream: [dy], wanted }) => [
    wanted[0] ? times(dy!, b!) : undefined,
    wanted[1] ? sumTo(times(dy!, a!), b!.shape) : undefined,
  ],
);
const divOp = binary(
  "div",
  "Div",
  (a, b) => a / b,
  ({ inputs: [, b], outputs: [y], upstream: [dy], wanted }) => {
    const part = divide(dy!, b!);
    return [part, wanted[1] ? scale(sumTo(times(part, y!), b!.shape), -1) : undefined];
  },
);

/** a + b; b may lack leading dimensions. */
export const plus = (a: Tensor, b: Tensor): Tensor => apply1(addOp, [a, b], null);
/** a − b; b may lack leading dimensions. */
export const minus = (a: Tensor, b: Tensor): Tensor => apply1(subOp, [a, b], null);
/** a · b element by element; b may lack leading dimensions. */
export const times = (a: Tensor, b: Tensor): Tensor => apply1(mulOp, [a, b], null);
/** a / b element by element; b may lack leading dimensions. */
export const divide = (a: Tensor, b: Tensor): Tensor => apply1(divOp, [a, b], null);

const timesRowsOp: Op<null> = {
  name: "timesRows",
  operands: ["x", "factors"],
  infer([x, factors]) {
    const [rows, width] = [x!.shape.slice(0, -1), x!.shape.at(-1)!];
    const { shape } = factors!;
    if (rows.length > shape.length || !sameShape(shape.slice(shape.length - rows.length), rows))
      throw new ShapeError("timesRows", "factors", showType(factors!), `[..., ${rows.join(", ")}]`);
    return [{ dtype: "f32", shape: [...shape, width] }];
  },
  onnx: (emit, { inputs: [x, factors], outputs }) =>
    emit.node("Mul", [x!, emit.value("Unsqueeze", [factors!, emit.ints([-1])])], outputs),
  gradient: ({ inputs: [x, factors], upstream: [dy], wanted }) => [
    wanted[0] ? sumTo(timesRows(dy!, factors!), x!.shape) : undefined,
    wanted[1] ? sum(times(dy!, x!), factors!.shape.length) : undefined,
  ],
  reference([x, factors]) {
    const width = x!.shape.at(-1)!;
    const y = ndarray([...factors!.shape, width]);
    return [mapNd(y, (_, i) => x!.data[i % x!.data.length]! * factors!.data[Math.floor(i / width)]!)];
  },
};

/** Each row of x [rows..., n] times its factor: `factors` [..., rows...] → [..., rows..., n]; x may lack leading dimensions. */
export const timesRows = (x: Tensor, factors: Tensor): Tensor => apply1(timesRowsOp, [x, factors], null);

const siluOp: Op<null> = {
  name: "silu",
  operands: ["x"],
  infer: ([x]) => [x!],
  // QuickGelu is x·sigmoid(αx): one kernel instead of Sigmoid and Mul.
  onnx: (emit, { inputs, outputs }) => emit.contrib("QuickGelu", inputs, outputs, { alpha: { float: 1 } }),
  gradient: ({ inputs: [x], upstream: [dy] }) => [siluBackward(x!, dy!)],
  reference: ([x]) => [mapNd(x!, (v) => v * logistic(v))],
};

/** x · sigmoid(x) (Elfwing et al. 2018, also called swish). */
export const silu = (x: Tensor): Tensor => apply1(siluOp, [x], null);

const scaleOp: Op<{ factor: number }> = {
  name: "scale",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }, { factor }) => emit.node("Mul", [inputs[0]!, emit.floats([factor], [])], outputs),
  gradient: ({ upstream: [dy], attrs: { factor } }) => [scale(dy!, factor)],
  reference: ([x], { factor }) => [mapNd(x!, (v) => v * factor)],
};

export const scale = (x: Tensor, factor: number): Tensor => apply1(scaleOp, [x], { factor });

const gelus: Readonly<Record<GeluForm, (v: number) => number>> = {
  exact: (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  tanh: (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
};

const geluOp: Op<{ form: GeluForm }> = {
  name: "gelu",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }, { form }) => emit.contrib(form === "tanh" ? "FastGelu" : "Gelu", inputs, outputs),
  gradient: ({ inputs: [x], upstream: [dy], attrs: { form } }) => [geluBackward(x!, dy!, form)],
  reference: ([x], { form }) => [mapNd(x!, gelus[form])],
};

/** x · Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016). */
export const gelu = (x: Tensor, form: GeluForm): Tensor => apply1(geluOp, [x], { form });

/** An element-wise function with one ONNX operator. */
const unary = (name: string, onnx: string, f: (v: number) => number, gradient: "none" | Rule): Op<null> => ({
  name,
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }) => emit.node(onnx, inputs, outputs),
  gradient,
  reference: ([x]) => [mapNd(x!, f)],
});

const tanhOp = unary("tanh", "Tanh", Math.tanh, ({ outputs: [y], upstream: [dy] }) => [
  minus(dy!, times(dy!, times(y!, y!))),
]);
const reluOp = unary(
  "relu",
  "Relu",
  (v) => Math.max(v, 0),
  ({ outputs: [y], upstream: [dy] }) => [times(dy!, sign(y!))],
);
const signOp = unary("sign", "Sign", Math.sign, "none");
const expOp = unary("exp", "Exp", Math.exp, ({ outputs: [y], upstream: [dy] }) => [times(dy!, y!)]);
const logOp = unary("log", "Log", Math.log, ({ inputs: [x], upstream: [dy] }) => [divide(dy!, x!)]);
const sqrtOp = unary("sqrt", "Sqrt", Math.sqrt, ({ outputs: [y], upstream: [dy] }) => [scale(divide(dy!, y!), 0.5)]);

const sigmoidOp = unary("sigmoid", "Sigmoid", logistic, ({ outputs: [y], upstream: [dy] }) => {
  const part = times(dy!, y!);
  return [minus(part, times(part, y!))];
});
const softplusOp = unary(
  "softplus",
  "Softplus",
  (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))),
  ({ inputs: [x], upstream: [dy] }) => [times(dy!, sigmoid(x!))],
);

export const tanh = (x: Tensor): Tensor => apply1(tanhOp, [x], null);
/** The greater of x and 0. */
export const relu = (x: Tensor): Tensor => apply1(reluOp, [x], null);

interface Bounds {
  /** Absent: unbounded. */
  readonly least?: number;
  readonly most: number;
}

const clampOp: Op<Bounds> = {
  name: "clamp",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs: [x], outputs }, { least, most }) =>
    emit.node("Clip", [x!, least === undefined ? "" : emit.floats([least], []), emit.floats([most], [])], outputs),
  gradient({ inputs: [x], upstream: [dy], attrs: { least, most } }) {
    const above = sign(relu(minus(x!, full(x!, most))));
    const outside = least === undefined ? above : plus(above, sign(relu(minus(full(x!, least), x!))));
    return [minus(dy!, times(dy!, outside))];
  },
  reference: ([x], { least = Number.NEGATIVE_INFINITY, most }) => [
    mapNd(x!, (v) => Math.min(Math.max(v, least), most)),
  ],
};

const withoutGradientOp: Op<null> = {
  name: "withoutGradient",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }) => emit.node("Identity", inputs, outputs),
  cost: () => ({ read: 0, written: 0 }),
  gradient: ({ inputs: [x] }) => [full(x!, 0)],
  reference: ([x]) => [x!],
};

/** x, with a gradient of 0. */
export const withoutGradient = (x: Tensor): Tensor => apply1(withoutGradientOp, [x], null);

/** Values outside the bounds become the nearest bound. */
export const clamp = (x: Tensor, bounds: Bounds): Tensor => apply1(clampOp, [x], bounds);

/** −1, 0 or 1. */
export const sign = (x: Tensor): Tensor => apply1(signOp, [x], null);
export const exp = (x: Tensor): Tensor => apply1(expOp, [x], null);
/** The natural logarithm. */
export const log = (x: Tensor): Tensor => apply1(logOp, [x], null);
export const sqrt = (x: Tensor): Tensor => apply1(sqrtOp, [x], null);
/** 1 / (1 + exp(−x)). */
export const sigmoid = (x: Tensor): Tensor => apply1(sigmoidOp, [x], null);
/** log(1 + exp(x)). */
export const softplus = (x: Tensor): Tensor => apply1(softplusOp, [x], null);

/** cap · tanh(x / cap): keeps scores within ±cap (Gemma 2). */
export const softcap = (x: Tensor, cap: number): Tensor => scale(tanh(scale(x, 1 / cap)), cap);
