import { mul, sameDim, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor } from "../tensor.ts";
import { sum } from "./reduce.ts";

/** The indices that sort the distinct numbers [n]. */
function sorted(emit: Emitter, numbers: string): string {
  const order = emit.temp();
  emit.node("TopK", [numbers, emit.value("Shape", [numbers])], [emit.temp(), order], { largest: { int: 0 } });
  return order;
}

const expertOrderOp: Op<{ experts: number }> = {
  name: "expertOrder",
  operands: ["chosen"],
  infer([chosen], { experts }) {
    if (chosen!.dtype !== "i64") throw new ShapeError("expertOrder", "chosen", showType(chosen!), "i64");
    return [[volume(chosen!.shape)], chosen!.shape, [experts]].map((shape) => ({ dtype: "i64", shape }));
  },
  onnx(emit, { inputs: [chosen], outputs }, { experts }) {
    const [order, places, sizes] = outputs as [string, string, string];
    const flat = emit.value("Reshape", [chosen!, emit.ints([-1])]);
    // One row per expert, with a 1 at each of its slots: row by row, the 1s are ordered by expert.
    const depth = emit.ints([experts], []);
    const hits = emit.value("OneHot", [flat, depth, emit.ints([0, 1])], { axis: { int: 0 } });
    emit.node("Gather", [emit.value("NonZero", [hits]), emit.ints([1], [])], [order], { axis: { int: 0 } });
    emit.node("ReduceSum", [hits, emit.ints([1])], [sizes], { keepdims: { int: 0 } });
    const shape = emit.value("Shape", [chosen!]);
    emit.node("Reshape", [sorted(emit, order), shape], [places]);
  },
  gradient: "none",
  reference([chosen], { experts }) {
    const { data, shape } = chosen!;
    const order = [...data.keys()].sort((a, b) => data[a]! - data[b]! || a - b);
    const places = ndarray(shape);
    for (const [row, slot] of order.entries()) places.data[slot] = row;
    const sizes = ndarray([experts]);
    for (const expert of data) sizes.data[expert]!++;
    return [ndarray([data.length], order), places, sizes];
  },
};

/** The order in which rows are grouped by their expert. */
export interface ExpertOrder {
  /** i64 [rows]: the slot of each row. Rows of one expert are adjacent, in the order of their slots. */
  readonly order: Tensor;
  /** i64 [..., k]: the row of each slot. */
  readonly places: Tensor;
  /** i64 [experts]: the number of rows of each expert. */
  readonly sizes: Tensor;
}

/** Groups slots by their expert `chosen` i64 [..., k]. No slot is dropped, however unbalanced the experts. */
export function expertOrder(chosen: Tensor, experts: number): ExpertOrder {
  const [order, places, sizes] = apply(expertOrderOp, [chosen], { experts });
  return { order: order!, places: places!, sizes: sizes! };
}

const toExpertsOp: Op<{ slots: number }> = {
  name: "toExperts",
  operands: ["x", "order", "places"],
  infer([x, order], { slots }) {
    const rows = mul(slots, ...x!.shape.slice(0, -1));
    if (!sameDim(rows, order!.shape[0]!))
      throw new ShapeError("toExperts", "x", showType(x!), `${order!.shape[0]} slots at ${slots} per row`);
    return [{ dtype: "f32", shape: [rows, x!.shape.at(-1)!] }];
  },
  onnx(emit, { inputs: [x, order], outputs, types }, { slots }) {
    const flat = emit.value("Reshape", [x!, emit.ints([-1, Number(types[0]!.shape.at(-1))])]);
    const rows = slots === 1 ? order! : emit.value("Div", [order!, emit.ints([slots], [])]);
    emit.node("Gather", [flat, rows], outputs, { axis: { int: 0 } });
  },
  cost: (_, [y]) => ({ read: sizeInBytes(y!), written: sizeInBytes(y!) }),
  gradient({ inputs: [x, order, places], upstream: [dy] }) {
    const back = toSlots(dy!, { order: order!, places: places! });
    // A row of x belongs to one slot, or is shared by all of its slots.
    return [back.shape.length === x!.shape.length ? back : sum(back, x!.shape.length - 1)];
  },
  reference([x, order], { slots }) {
    const width = x!.shape.at(-1)!;
    const y = ndarray([order!.data.length, width]);
    for (const [row, slot] of order!.data.entries()) {
      const from = Math.floor(slot / slots) * width;
      y.data.set(x!.data.subarray(from, from + width), row * width);
    }
    return [y];
  },
};

/** The rows of x [..., width], each repeated once per slot and grouped by expert: [rows, width]. */
export const toExperts = (x: Tensor, { order, places }: Omit<ExpertOrder, "sizes">, slots: number): Tensor =>
  apply1(toExpertsOp, [x, order, places], { slots });

const toSlotsOp: Op<null> = {
  name: "toSlots",
  operands: ["y", "order", "places"],
  infer([y, , places]) {
    if (!sameDim(volume(places!.shape), y!.shape[0]!))
      throw new ShapeError("toSlots", "y", showType(y!), `[${volume(places!.shape)}, width]`);
    return [{ dtype: "f32", shape: [...places!.shape, y!.shape[1]!] }];
  },
  onnx: (emit, { inputs: [y, , places], outputs }) => emit.node("Gather", [y!, places!], outputs, { axis: { int: 0 } }),
  cost: ([y]) => ({ read: sizeInBytes(y!) }),
  gradient: ({ inputs: [, order, places], upstream: [dz] }) => [toExperts(dz!, { order: order!, places: places! }, 1)],
  reference([y, , places]) {
    const width = y!.shape[1]!;
    const z = ndarray([...places!.shape, width]);
    for (const [slot, row] of places!.data.entries())
      z.data.set(y!.data.subarray(row * width, (row + 1) * width), slot * width);
    return [z];
  },
};

/** The inverse of `toExperts` with one row per slot: y [rows, width] → [..., k, width]. */
export const toSlots = (y: Tensor, { order, places }: Omit<ExpertOrder, "sizes">): Tensor =>
  apply1(toSlotsOp, [y, order, places], null);

const expertSharesOp: Op<{ experts: number }> = {
  name: "expertShares",
  operands: ["chosen", "weights"],
  infer: (_, { experts }) => [{ dtype: "f32", shape: [experts] }],
  onnx(emit, { inputs: [chosen, weights], outputs }, { experts }) {
    const each = emit.ints([...Array(experts).keys()], [experts]);
    const hits = emit.value("Equal", [emit.value("Unsqueeze", [chosen!, emit.ints([-1])]), each]);
    const counted = emit.value("Cast", [hits], { to: { int: 1 } });
    const perRow = emit.value("ReduceMean", [counted, emit.ints([-2])], { keepdims: { int: 0 } });
    const rows = emit.value("Reshape", [perRow, emit.ints([-1, experts])]);
    const flat = emit.value("Reshape", [weights!, emit.ints([1, -1])]);
    emit.node("Reshape", [emit.value("MatMul", [flat, rows]), emit.ints([experts])], outputs);
  },
  gradient: "none",
  reference([chosen, weights], { experts }) {
    const shares = ndarray([experts]);
    const slots = chosen!.data.length / weights!.data.length;
    for (const [slot, expert] of chosen!.data.entries())
      shares.data[expert]! += weights!.data[Math.floor(slot / slots)]! / slots;
    return [shares];
  },
};

/**
 * Each expert's share of the choices `chosen` i64 [..., k]: f32 [experts]. `weights` f32 [...]: the total weight of a
 * row's choices. The shares have no gradient.
 */
export const expertShares = (chosen: Tensor, weights: Tensor, experts: number): Tensor =>
  apply1(expertSharesOp, [chosen, weights], { experts });
