import { add, sameShape } from "../dim.ts";
import { mapNd, type NdArray, ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply, apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { sizeInBytes } from "../tensor.ts";
import { full } from "./reduce.ts";

const topKOp: Op<{ k: number }> = {
  name: "topK",
  operands: ["x"],
  infer([x], { k }) {
    const width = x!.shape.at(-1);
    if (typeof width !== "number" || k < 1 || k > width)
      throw new ShapeError("topK", "x", showType(x!), `at least ${k} columns`);
    const shape = x!.shape.with(-1, k);
    return [
      { dtype: "f32", shape },
      { dtype: "i64", shape },
    ];
  },
  onnx: (emit, { inputs: [x], outputs }, { k }) => emit.node("TopK", [x!, emit.ints([k])], outputs),
  gradient: ({ inputs: [x], outputs: [, chosen], given: [dy] }) => [scatterChosen(x!, chosen!, dy!)],
  reference([x], { k }) {
    const width = x!.shape.at(-1)!;
    const [values, chosen] = [ndarray(x!.shape.with(-1, k)), ndarray(x!.shape.with(-1, k))];
    for (let row = 0; row < x!.data.length / width; row++) {
      const at = (column: number) => x!.data[row * width + column]!;
      const best = [...Array(width).keys()].sort((a, b) => at(b) - at(a)).slice(0, k);
      values.data.set(best.map(at), row * k);
      chosen.data.set(best, row * k);
    }
    return [values, chosen];
  },
};

/**
 * The k greatest numbers of each row [..., n], the greatest first, and their columns, i64: both [..., k]. Of equal ones,
 * the first comes first.
 */
export function topK(x: Tensor, k: number): { values: Tensor; chosen: Tensor } {
  const [values, chosen] = apply(topKOp, [x], { k });
  return { values: values!, chosen: chosen! };
}

const scatterChosenOp: Op<null> = {
  name: "scatterChosen",
  operands: ["like", "chosen", "dy"],
  infer: ([x]) => [x!],
  onnx(emit, { inputs: [x, chosen, dy], outputs }) {
    const zeros = emit.value("Expand", [emit.floats([0], []), emit.value("Shape", [x!])]);
    emit.node("ScatterElements", [zeros, chosen!, dy!], outputs, { axis: { int: -1 } });
  },
  cost: ([, chosen, dy]) => ({ read: add(sizeInBytes(chosen!), sizeInBytes(dy!)) }),
  reference([x, chosen, dy]) {
    const [width, k] = [x!.shape.at(-1)!, chosen!.shape.at(-1)!];
    const y = mapNd(x!, () => 0);
    for (const [i, column] of chosen!.data.entries()) y.data[Math.floor(i / k) * width + column] = dy!.data[i]!;
    return [y];
  },
};

/** dy [..., k] at its columns `chosen`, which differ within a row, and zeros elsewhere: in the shape of x [..., n]. */
const scatterChosen = (x: Tensor, chosen: Tensor, dy: Tensor): Tensor => apply1(scatterChosenOp, [x, chosen, dy], null);

const biasedTopKOp: Op<{ k: number }> = {
  name: "biasedTopK",
  operands: ["x", "bias"],
  infer([x, bias], { k }) {
    if (!sameShape(bias!.shape, x!.shape.slice(-1)))
      throw new ShapeError("biasedTopK", "bias", showType(bias!), `[${x!.shape.at(-1)}]`);
    return topKOp.infer([x!], { k });
  },
  onnx(emit, { inputs: [x, bias], outputs: [values, chosen] }, { k }) {
    emit.node("TopK", [emit.value("Add", [x!, bias!]), emit.ints([k])], [emit.temp(), chosen!]);
    emit.node("GatherElements", [x!, chosen!], [values!], { axis: { int: -1 } });
  },
  gradient: ({ inputs: [x, bias], outputs: [, chosen], given: [dy], wanted }) => [
    wanted[0] ? scatterChosen(x!, chosen!, dy!) : undefined,
    wanted[1] ? full(bias!, 0) : undefined,
  ],
  reference([x, bias], { k }, bindings) {
    const width = x!.shape.at(-1)!;
    const biased = mapNd(x!, (value, i) => value + bias!.data[i % width]!);
    const [, chosen] = topKOp.reference([biased], { k }, bindings) as [NdArray, NdArray];
    return [mapNd(chosen, (column, i) => x!.data[Math.floor(i / k) * width + column]!), chosen];
  },
};

/** Like `topK`, by x plus a bias [n] that is no part of the numbers: no small change of it changes them. */
export function biasedTopK(x: Tensor, bias: Tensor, k: number): { values: Tensor; chosen: Tensor } {
  const [values, chosen] = apply(biasedTopKOp, [x, bias], { k });
  return { values: values!, chosen: chosen! };
}
