import { sameDim } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

const INT32 = { to: { int: 6 } };

function expectMask(op: string, mask: TensorType): void {
  if (mask.dtype !== "i64" || mask.shape.length !== 2)
    throw new ShapeError(op, "mask", showType(mask), "i64[batch, tokens]");
}

const lengthsOp: Op<null> = {
  name: "maskLengths",
  operands: ["ids", "mask"],
  infer([ids, mask]) {
    expectMask("maskLengths", mask!);
    const batch = mask!.shape[0]!;
    if (ids!.shape.length !== 2 || !sameDim(ids!.shape[0]!, batch))
      throw new ShapeError("maskLengths", "ids", showType(ids!), `[${batch}, tokens]`);
    const each: TensorType = { dtype: "i32", shape: [batch] };
    return [each, { dtype: "i32", shape: [] }, each];
  },
  onnx(emit, { inputs: [ids, mask], outputs: [lengths, total, ends] }) {
    const one = emit.ints([1], []);
    const width = (x: string) => emit.value("Gather", [emit.value("Shape", [x]), one]);
    const count = emit.value("ReduceSum", [mask!, emit.ints([1])], { keepdims: { int: 0 } });
    emit.node("Cast", [emit.value("Sub", [count, one])], [lengths!], INT32);
    emit.node("Cast", [width(mask!)], [total!], INT32);
    const end = emit.value("Max", [count, width(ids!)]);
    emit.node("Cast", [emit.value("Sub", [end, one])], [ends!], INT32);
  },
  gradient: "none",
  reference([ids, mask]) {
    const [batch, total] = mask!.shape as [number, number];
    const row = (b: number) => mask!.data.subarray(b * total, (b + 1) * total);
    const counts = Float64Array.from({ length: batch }, (_, b) => row(b).reduce((a, v) => a + v, 0));
    return [
      ndarray(
        [batch],
        counts.map((n) => n - 1),
      ),
      ndarray([], Float64Array.of(total)),
      ndarray(
        [batch],
        counts.map((n) => Math.max(n, ids!.shape[1]!) - 1),
      ),
    ];
  },
};

/**
 * Computes the length inputs of attention and positions from a mask i64 [batch, total] (1 for a token, cached or new;
 * 0 for padding) over ids [batch, tokens]: `lengths` i32 [batch], each row's tokens minus one; `total` i32 []; `ends`
 * i32 [batch], the last position of each row's ids, which counts padding if a first prompt is padded on the right.
 */
export function maskLengths(ids: Tensor, mask: Tensor): { lengths: Tensor; total: Tensor; ends: Tensor } {
  const [lengths, total, ends] = apply(lengthsOp, [ids, mask], null) as [Tensor, Tensor, Tensor];
  return { lengths, total, ends };
}

const cacheOp: Op<null> = {
  name: "cacheLengths",
  operands: ["ids", "cache"],
  infer([ids, cache]) {
    const [batch] = ids!.shape;
    if (ids!.shape.length !== 2 || cache!.shape.length !== 4 || !sameDim(cache!.shape[0]!, batch!))
      throw new ShapeError("cacheLengths", "cache", showType(cache!), `[${batch}, heads, past, headSize]`);
    return [
      { dtype: "i32", shape: [batch!] },
      { dtype: "i32", shape: [] },
    ];
  },
  onnx(emit, { inputs: [ids, cache], outputs: [lengths, total] }) {
    const size = (x: string, axis: number) => emit.value("Gather", [emit.value("Shape", [x]), emit.ints([axis], [])]);
    const all = emit.value("Add", [size(cache!, 2), size(ids!, 1)]);
    emit.node("Cast", [all], [total!], INT32);
    const last = emit.value("Cast", [emit.value("Sub", [all, emit.ints([1], [])])], INT32);
    emit.node("Expand", [last, emit.value("Unsqueeze", [size(ids!, 0), emit.ints([0])])], [lengths!]);
  },
  gradient: "none",
  reference([ids, cache]) {
    const [batch, tokens] = ids!.shape as [number, number];
    const total = cache!.shape[2]! + tokens;
    return [ndarray([batch], new Float64Array(batch).fill(total - 1)), ndarray([], Float64Array.of(total))];
  },
};

/**
 * The inputs of attention for rows of one length: `lengths` i32 [batch], the tokens of each row minus one, and
 * `total` i32 [], from new ids [batch, tokens] and a cache [batch, heads, past, headSize] without spare capacity.
 */
export function cacheLengths(ids: Tensor, cache: Tensor): { lengths: Tensor; total: Tensor } {
  const [lengths, total] = apply(cacheOp, [ids, cache], null) as [Tensor, Tensor];
  return { lengths, total };
}

const narrowOp: Op<null> = {
  name: "narrowMask",
  operands: ["mask"],
  infer([mask]) {
    expectMask("narrowMask", mask!);
    return [{ dtype: "i32", shape: mask!.shape }];
  },
  onnx: (emit, { inputs, outputs }) => emit.node("Cast", inputs, outputs, INT32),
  gradient: "none",
  reference: ([mask]) => [mask!],
};

/** A mask i64 [batch, tokens] as i32, for encoders. */
export const narrowMask = (mask: Tensor): Tensor => apply1(narrowOp, [mask], null);
