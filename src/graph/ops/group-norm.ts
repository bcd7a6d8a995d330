import { sameShape } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { sum, sumTo } from "./reduce.ts";
import { reshape } from "./shape.ts";

interface GroupNormAttrs {
  readonly groups: number;
  readonly epsilon: number;
}

function checkGroups(op: string, x: TensorType, groups: number, vectors: Readonly<Record<string, TensorType>>): void {
  const [, channels, ...places] = x.shape;
  if (typeof channels !== "number" || channels % groups !== 0 || !places.every((n) => typeof n === "number"))
    throw new ShapeError(op, "x", showType(x), `[batch, channels in ${groups} groups, …]`);
  for (const [name, type] of Object.entries(vectors))
    if (!sameShape(type.shape, [channels])) throw new ShapeError(op, name, showType(type), `[${channels}]`);
}

const GROUPED = [2];
const KEPT = { keepdims: { int: 1 } };

const inGroups = (emit: Emitter, x: string, groups: number) => emit.value("Reshape", [x, emit.ints([0, groups, -1])]);

/** A vector over channels, reshaped to broadcast over a tensor of this type. */
const overPlaces = (emit: Emitter, vector: string, { shape }: TensorType) =>
  emit.value("Reshape", [vector, emit.ints([Number(shape[1]), ...shape.slice(2).map(() => 1)])]);

const asType = (emit: Emitter, x: string, { shape }: TensorType) =>
  emit.value("Reshape", [x, emit.ints([0, ...shape.slice(1).map(Number)])]);

/** Each group's values minus their mean, divided by their standard deviation. */
function normed({ shape, data }: NdArray, { groups, epsilon }: GroupNormAttrs) {
  const size = data.length / shape[0]! / groups;
  const deviations = new Float64Array(shape[0]! * groups);
  const values = new Float64Array(data.length);
  for (const group of deviations.keys()) {
    const own = data.subarray(group * size, (group + 1) * size);
    const mean = own.reduce((a, b) => a + b, 0) / size;
    const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
    deviations[group] = Math.sqrt(variance + epsilon);
    values.set(
      own.map((v) => (v - mean) / deviations[group]!),
      group * size,
    );
  }
  return { values, deviations, size };
}

/** Returns the channel of an element. */
const channelOf = ({ shape }: NdArray): ((i: number) => number) => {
  const places = shape.slice(2).reduce((a, b) => a * b, 1);
  return (i) => Math.floor(i / places) % shape[1]!;
};

const groupNormOp: Op<GroupNormAttrs> = {
  name: "groupNorm",
  operands: ["x", "gain", "bias"],
  infer([x, gain, bias], { groups }) {
    checkGroups("groupNorm", x!, groups, { gain: gain!, bias: bias! });
    return [x!];
  },
  onnx(emit, { inputs: [x, gain, bias], outputs, types }, { groups, epsilon }) {
    const [ones, zeros] = [1, 0].map((v) => emit.floats(Array.from({ length: groups }, () => v)));
    const plain = emit.value("InstanceNormalization", [inGroups(emit, x!, groups), ones!, zeros!], {
      epsilon: { float: epsilon },
    });
    const scaled = emit.value("Mul", [asType(emit, plain, types[0]!), overPlaces(emit, gain!, types[0]!)]);
    emit.node("Add", [scaled, overPlaces(emit, bias!, types[0]!)], outputs);
  },
  gradient({ inputs: [x, gain, bias], upstream: [dy], wanted, attrs }) {
    const [dx, dgain] = apply(backwardOp, [x!, gain!, dy!], { ...attrs, ofGain: wanted[1]! });
    const { shape } = x!;
    const places = shape.slice(2).reduce((product: number, n) => product * Number(n), 1);
    const dbias = () => sumTo(sum(reshape(dy!, [shape[0]!, shape[1]!, places]), 2), bias!.shape);
    return [dx, dgain, wanted[2] ? dbias() : undefined];
  },
  reference([x, gain, bias], attrs) {
    const { values } = normed(x!, attrs);
    const channel = channelOf(x!);
    return [
      ndarray(
        x!.shape,
        values.map((v, i) => v * gain!.data[channel(i)]! + bias!.data[channel(i)]!),
      ),
    ];
  },
};

/**
 * Normalisation over groups of channels and all positions (Wu & He 2018), with a gain and a bias per channel: x [batch,
 * channels, …], gain and bias [channels].
 */
export const groupNorm = (x: Tensor, gain: Tensor, bias: Tensor, attrs: GroupNormAttrs): Tensor =>
  apply1(groupNormOp, [x, gain, bias], attrs);

const backwardOp: Op<GroupNormAttrs & { readonly ofGain: boolean }> = {
  name: "groupNormBackward",
  operands: ["x", "gain", "dy"],
  infer([x, gain, dy], { groups, ofGain }) {
    checkGroups("groupNormBackward", x!, groups, { gain: gain! });
    if (!sameShape(x!.shape, dy!.shape)) throw new ShapeError("groupNormBackward", "dy", showType(dy!), showType(x!));
    return [x!, ...(ofGain ? [gain!] : [])];
  },
  // With n the normalised values, r = 1/deviation and g = dy·gain: dx = r·(g − mean(g) − n·mean(g·n)).
  onnx(emit, { inputs: [x, gain, dy], outputs: [dx, dgain], types }, { groups, epsilon }) {
    const mean = (values: string) => emit.value("ReduceMean", [values, emit.ints(GROUPED)], KEPT);
    const flat = inGroups(emit, x!, groups);
    const centred = emit.value("Sub", [flat, mean(flat)]);
    const variance = mean(emit.value("Mul", [centred, centred]));
    const deviation = emit.value("Sqrt", [emit.value("Add", [variance, emit.floats([epsilon], [])])]);
    const n = emit.value("Div", [centred, deviation]);
    const g = inGroups(emit, emit.value("Mul", [dy!, overPlaces(emit, gain!, types[0]!)]), groups);
    const along = emit.value("Mul", [n, mean(emit.value("Mul", [g, n]))]);
    const rest = emit.value("Sub", [emit.value("Sub", [g, mean(g)]), along]);
    const shape = emit.ints([0, ...types[0]!.shape.slice(1).map(Number)]);
    emit.node("Reshape", [emit.value("Div", [rest, deviation]), shape], [dx!]);
    if (dgain === undefined) return;
    const products = emit.value("Mul", [dy!, asType(emit, n, types[0]!)]);
    const others = [...types[0]!.shape.keys()].filter((axis) => axis !== 1);
    emit.node("ReduceSum", [products, emit.ints(others)], [dgain], { keepdims: { int: 0 } });
  },
  reference([x, gain, dy], { ofGain, ...attrs }) {
    const { values, deviations, size } = normed(x!, attrs);
    const channel = channelOf(x!);
    const pulled = dy!.data.map((v, i) => v * gain!.data[channel(i)]!);
    const means = (of: (i: number) => number) =>
      deviations.map((_, group) => {
        let total = 0;
        for (let i = group * size; i < (group + 1) * size; i++) total += of(i);
        return total / size;
      });
    const [shift, along] = [means((i) => pulled[i]!), means((i) => pulled[i]! * values[i]!)];
    const dx = pulled.map((v, i) => {
      const group = Math.floor(i / size);
      return (v - shift[group]! - values[i]! * along[group]!) / deviations[group]!;
    });
    const dgain = ndarray(gain!.shape);
    for (const [i, v] of dy!.data.entries()) dgain.data[channel(i)]! += v * values[i]!;
    return [ndarray(x!.shape, dx), ...(ofGain ? [dgain] : [])];
  },
};
