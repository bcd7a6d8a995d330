import { sameShape, volume } from "../dim.ts";
import { mapNd } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

export const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

/**
 * The error function: its Maclaurin series near zero, its continued fraction in the tail (each accurate to float64's last
 * digits there).
 */
export function erf(x: number): number {
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

/** `exact` uses the error function, `tanh` its approximation; each checkpoint is trained with one or the other. */
export type GeluForm = "exact" | "tanh";

function inferBackward(op: string, [x, dy]: readonly TensorType[]): TensorType[] {
  if (!sameShape(x!.shape, dy!.shape)) throw new ShapeError(op, "dy", showType(dy!), showType(x!));
  return [x!];
}

const siluBackwardOp: Op<null> = {
  name: "siluBackward",
  operands: ["x", "dy"],
  infer: (types) => inferBackward("siluBackward", types),
  // σ · (1 + x − x·σ)
  onnx(emit, { inputs: [x, dy], outputs }) {
    const s = emit.value("Sigmoid", [x!]);
    const rest = emit.value("Sub", [x!, emit.value("Mul", [x!, s])]);
    const slope = emit.value("Mul", [s, emit.value("Add", [rest, emit.floats([1], [])])]);
    emit.node("Mul", [slope, dy!], outputs);
  },
  reference([x, dy]) {
    const slope = (v: number) => sigmoid(v) + v * sigmoid(v) * (1 - sigmoid(v));
    return [mapNd(x!, (v, i) => slope(v) * dy!.data[i]!)];
  },
};

/** Gradient with respect to x, given dy, the gradient of `silu(x)`. */
export const siluBackward = (x: Tensor, dy: Tensor): Tensor => apply1(siluBackwardOp, [x, dy], null);

const ROOT = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;

const slopes: Readonly<Record<GeluForm, (v: number) => number>> = {
  exact: (v) => 0.5 * (1 + erf(v / Math.SQRT2)) + (v * Math.exp((-v * v) / 2)) / Math.sqrt(2 * Math.PI),
  tanh(v) {
    const t = Math.tanh(ROOT * (v + CUBE * v ** 3));
    return 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * ROOT * (1 + 3 * CUBE * v * v);
  },
};

/** x → the derivative of GELU at x, as nodes. */
const emitSlope: Readonly<Record<GeluForm, (emit: Emitter, x: string) => string>> = {
  // With w = x/√2: (1 + erf(w) + w·exp(−w²)·2/√π) / 2
  exact(emit, x) {
    const number = (v: number) => emit.floats([v], []);
    const w = emit.value("Mul", [x, number(Math.SQRT1_2)]);
    const density = emit.value("Exp", [
      emit.value("Sub", [number(Math.log(2 / Math.sqrt(Math.PI))), emit.value("Mul", [w, w])]),
    ]);
    const sum = emit.value("Add", [emit.value("Erf", [w]), emit.value("Mul", [w, density])]);
    return emit.value("Mul", [emit.value("Add", [sum, number(1)]), number(0.5)]);
  },
  // GELU is then x·σ(z), with z twice the argument of tanh: σ · (1 + x·z'·(1 − σ))
  tanh(emit, x) {
    const number = (v: number) => emit.floats([v], []);
    const square = emit.value("Mul", [x, x]);
    const line = (slope: number) =>
      emit.value("Mul", [x, emit.value("Add", [emit.value("Mul", [square, number(slope)]), number(2 * ROOT)])]);
    const s = emit.value("Sigmoid", [line(2 * ROOT * CUBE)]);
    const inner = emit.value("Mul", [line(6 * ROOT * CUBE), emit.value("Sub", [number(1), s])]);
    return emit.value("Mul", [emit.value("Add", [inner, number(1)]), s]);
  },
};

/** Elements per slice: few enough for the cores' caches, enough to outweigh each slice's overhead. */
const SLICE = 131_072;

/** Emits `body`, an element-wise function of two tensors of this shape; large tensors are sliced. */
function emitInSlices(
  emit: Emitter,
  [a, b]: readonly string[],
  { shape }: TensorType,
  output: string,
  body: (a: string, b: string, output: string) => void,
): void {
  const elements = shape.every((d) => typeof d === "number") ? Number(volume(shape)) : 0;
  const slices = Math.ceil(elements / SLICE);
  if (slices < 2) {
    body(a!, b!, output);
    return;
  }
  const split = (x: string) => {
    const names = Array.from({ length: slices }, () => emit.temp());
    emit.node("Split", [emit.value("Reshape", [x, emit.ints([-1])])], names, { num_outputs: { int: slices } });
    return names;
  };
  const [as, bs] = [split(a!), split(b!)];
  const results = as.map((slice, i) => {
    const name = emit.temp();
    body(slice, bs[i]!, name);
    return name;
  });
  emit.node("Reshape", [emit.value("Concat", results, { axis: { int: 0 } }), emit.ints(shape.map(Number))], [output]);
}

const geluBackwardOp: Op<{ form: GeluForm }> = {
  name: "geluBackward",
  operands: ["x", "dy"],
  infer: (types) => inferBackward("geluBackward", types),
  onnx: (emit, { inputs, outputs, types }, { form }) =>
    emitInSlices(emit, inputs, types[0]!, outputs[0]!, (x, dy, output) =>
      emit.node("Mul", [emitSlope[form](emit, x), dy], [output]),
    ),
  reference: ([x, dy], { form }) => [mapNd(x!, (v, i) => slopes[form](v) * dy!.data[i]!)],
};

/** Like `siluBackward`, for `gelu(x, form)`. */
export const geluBackward = (x: Tensor, dy: Tensor, form: GeluForm): Tensor =>
  apply1(geluBackwardOp, [x, dy], { form });
