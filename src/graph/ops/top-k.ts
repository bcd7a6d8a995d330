import { add, type Shape, sameShape } from "../dim.ts";
import { mapNd, type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";
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
  gradient: ({ inputs: [x], outputs: [, chosen], upstream: [dy] }) => [scatterChosen(x!, chosen!, dy!)],
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
 * The k greatest numbers of each row [..., n], in descending order, and their columns, i64: both [..., k]. Ties go to
 * the first column.
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

/** Scatters dy [..., k] into zeros in the shape of x [..., n], at columns `chosen`, which are distinct within a row. */
const scatterChosen = (x: Tensor, chosen: Tensor, dy: Tensor): Tensor => apply1(scatterChosenOp, [x, chosen, dy], null);

/**
 * Columns form `count` groups of neighbours. A group's score is the sum of its `best` greatest numbers; the `active` groups
 * with the highest scores are used.
 */
export interface ColumnGroups {
  readonly count: number;
  readonly active: number;
  readonly best: number;
}

interface Choice {
  readonly k: number;
  readonly groups?: ColumnGroups | undefined;
}

const chosenTopKOp: Op<Choice> = {
  name: "chosenTopK",
  operands: ["x", "bias"],
  infer([x, bias], { k, groups }) {
    const width = Number(x!.shape.at(-1));
    if (bias && !sameShape(bias.shape, [width]))
      throw new ShapeError("chosenTopK", "bias", showType(bias), `[${width}]`);
    if (groups && !isFitting(groups, width, k))
      throw new ShapeError("chosenTopK", "x", showType(x!), `${groups.count} groups, ${k} columns in ${groups.active}`);
    return topKOp.infer([x!], { k });
  },
  onnx(emit, { inputs: [x, bias], outputs: [values, chosen], types: [type] }, { k, groups }) {
    const biased = bias === undefined ? x! : emit.value("Add", [x!, bias]);
    const open = groups ? emitGroups(emit, biased, type!.shape, groups) : biased;
    emit.node("TopK", [open, emit.ints([k])], [emit.temp(), chosen!]);
    emit.node("GatherElements", [x!, chosen!], [values!], { axis: { int: -1 } });
  },
  gradient: ({ inputs: [x, bias], outputs: [, chosen], upstream: [dy], wanted }) => [
    wanted[0] ? scatterChosen(x!, chosen!, dy!) : undefined,
    wanted[1] ? full(bias!, 0) : undefined,
  ],
  reference([x, bias], { k, groups }, bindings) {
    const width = x!.shape.at(-1)!;
    const biased = bias ? mapNd(x!, (value, i) => value + bias.data[i % width]!) : x!;
    const open = groups ? inGroups(biased, groups) : biased;
    const [, chosen] = topKOp.reference([open], { k }, bindings) as [NdArray, NdArray];
    return [mapNd(chosen, (column, i) => x!.data[Math.floor(i / k) * width + column]!), chosen];
  },
};

/** True if all groups have the same size, and the active groups have at least `k` columns. */
function isFitting({ count, active, best }: ColumnGroups, width: number, k: number): boolean {
  const size = width / count;
  return Number.isInteger(size) && active >= 1 && active <= count && best >= 1 && best <= size && k <= active * size;
}

/** The scores, −∞ in the columns of groups that are not active. */
function emitGroups(emit: Emitter, scores: string, shape: Shape, { count, active, best }: ColumnGroups): string {
  const rows = shape.slice(0, -1).map(() => 0);
  const width = Number(shape.at(-1));
  const apart = emit.value("Reshape", [scores, emit.ints([...rows, count, width / count])]);
  const [greatest, open] = [emit.temp(), emit.temp()];
  emit.node("TopK", [apart, emit.ints([best])], [greatest, emit.temp()]);
  const sums = emit.value("ReduceSum", [greatest, emit.ints([-1])], { keepdims: { int: 0 } });
  emit.node("TopK", [sums, emit.ints([active])], [emit.temp(), open]);
  const filled = (value: number, like: string) =>
    emit.value("Expand", [emit.floats([value], []), emit.value("Shape", [like])]);
  const data = [filled(Number.NEGATIVE_INFINITY, sums), open, filled(0, open)];
  const mask = emit.value("Unsqueeze", [emit.value("ScatterElements", data, { axis: { int: -1 } }), emit.ints([-1])]);
  return emit.value("Reshape", [emit.value("Add", [apart, mask]), emit.ints([...rows, width])]);
}

function inGroups(scores: NdArray, { count, active, best }: ColumnGroups): NdArray {
  const width = scores.shape.at(-1)!;
  const size = width / count;
  const isOpen = Array.from({ length: scores.data.length / width }, (_, row) => {
    const sumOf = (group: number) =>
      [...scores.data.subarray(row * width + group * size, row * width + (group + 1) * size)]
        .sort((a, b) => b - a)
        .slice(0, best)
        .reduce((a, b) => a + b);
    const sums = Array.from({ length: count }, (_, group) => sumOf(group));
    return new Set([...sums.keys()].sort((a, b) => sums[b]! - sums[a]!).slice(0, active));
  });
  return mapNd(scores, (value, i) =>
    isOpen[Math.floor(i / width)]!.has(Math.floor((i % width) / size)) ? value : Number.NEGATIVE_INFINITY,
  );
}

/**
 * Like `topK`, but columns are chosen by x plus a bias [n], and only from active groups. The returned numbers are x's
 * own, so a small change of the bias does not change them.
 */
export function chosenTopK(
  x: Tensor,
  k: number,
  { bias, groups }: { readonly bias?: Tensor | undefined; readonly groups?: ColumnGroups | undefined },
): { values: Tensor; chosen: Tensor } {
  const [values, chosen] = apply(chosenTopKOp, bias ? [x, bias] : [x], { k, groups });
  return { values: values!, chosen: chosen! };
}
