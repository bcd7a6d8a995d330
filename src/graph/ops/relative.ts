import { add, type Dim } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { gather } from "./gather.ts";
import { reshape } from "./shape.ts";

interface DistanceAttrs {
  readonly reach: number;
  readonly past: Dim;
}

const distancesOp: Op<DistanceAttrs> = {
  name: "distances",
  operands: ["ids", "total"],
  infer([ids, total], { past }) {
    if (ids!.shape.length !== 2) throw new ShapeError("distances", "ids", showType(ids!), "[batch, tokens]");
    if (total && (total.dtype !== "i32" || total.shape.length !== 0))
      throw new ShapeError("distances", "total", showType(total), "i32[]");
    const tokens = ids!.shape[1]!;
    return [{ dtype: "i64", shape: [tokens, total ? add(past, tokens) : tokens] }];
  },
  onnx(emit, { inputs: [ids, total], outputs }, { reach }) {
    const number = (value: number) => emit.ints([value], []);
    const tokens = emit.value("Gather", [emit.value("Shape", [ids!]), number(1)]);
    const end = total === undefined ? tokens : emit.value("Cast", [total], { to: { int: 7 } });
    const keys = emit.value("Range", [number(0), end, number(1)]);
    const queries = emit.value("Range", [emit.value("Sub", [end, tokens]), end, number(1)]);
    const apart = emit.value("Sub", [keys, emit.value("Unsqueeze", [queries, emit.ints([1])])]);
    const near = emit.value("Clip", [apart, number(-reach), number(reach)]);
    emit.node("Add", [near, number(reach)], outputs);
  },
  gradient: "none",
  reference([ids, total], { reach }) {
    const tokens = ids!.shape[1]!;
    const keys = total ? total.data[0]! : tokens;
    const apart = (i: number) => (i % keys) - (keys - tokens + Math.floor(i / keys));
    const near = (distance: number) => Math.max(-reach, Math.min(reach, distance)) + reach;
    return [
      ndarray(
        [tokens, keys],
        Array.from({ length: tokens * keys }, (_, i) => near(apart(i))),
      ),
    ];
  },
};

/**
 * Each head's bias on a score, by the distance between key and query: byDistance [heads, 2·reach + 1] for distances
 * −reach … reach (farther distances are clamped). The queries are ids [batch, tokens], the last of `total` positions
 * (i32 [], `past` + tokens; absent: ids are all positions) → [1, heads, tokens, total]. Only the shape of ids counts.
 */
export function relativeBias(byDistance: Tensor, ids: Tensor, total?: Tensor, past: Dim = 0): Tensor {
  const [heads, columns] = byDistance.shape;
  if (byDistance.shape.length !== 2 || Number(columns) % 2 !== 1)
    throw new ShapeError("relativeBias", "byDistance", showType(byDistance), "[heads, 2·reach + 1]");
  const attrs = { reach: (Number(columns) - 1) / 2, past };
  const places = apply1(distancesOp, [ids, ...(total ? [total] : [])], attrs);
  return gather(reshape(byDistance, [1, heads!, columns!]), places, 2);
}
