import type { Dim } from "../dim.ts";
import { add } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const biasOp: Op<{ past: Dim }> = {
  name: "relativeBias",
  operands: ["byDistance", "ids", "total"],
  infer([byDistance, ids, total], { past }) {
    if (byDistance!.shape.length !== 2 || Number(byDistance!.shape[1]) % 2 !== 1)
      throw new ShapeError("relativeBias", "byDistance", showType(byDistance!), "[heads, 2·reach + 1]");
    if (ids!.shape.length !== 2) throw new ShapeError("relativeBias", "ids", showType(ids!), "[batch, tokens]");
    if (total && (total.dtype !== "i32" || total.shape.length !== 0))
      throw new ShapeError("relativeBias", "total", showType(total), "i32[]");
    const tokens = ids!.shape[1]!;
    return [{ dtype: "f32", shape: [1, byDistance!.shape[0]!, tokens, total ? add(past, tokens) : tokens] }];
  },
  onnx(emit, { inputs: [byDistance, ids, total], outputs, types }) {
    const reach = (Number(types[0]!.shape[1]) - 1) / 2;
    const number = (value: number) => emit.ints([value], []);
    const tokens = emit.value("Gather", [emit.value("Shape", [ids!]), number(1)]);
    const end = total === undefined ? tokens : emit.value("Cast", [total], { to: { int: 7 } });
    const keys = emit.value("Range", [number(0), end, number(1)]);
    const queries = emit.value("Range", [emit.value("Sub", [end, tokens]), end, number(1)]);
    const apart = emit.value("Sub", [keys, emit.value("Unsqueeze", [queries, emit.ints([1])])]);
    const near = emit.value("Clip", [apart, number(-reach), number(reach)]);
    const bias = emit.value("Gather", [byDistance!, emit.value("Add", [near, number(reach)])], { axis: { int: 1 } });
    emit.node("Unsqueeze", [bias, emit.ints([0])], outputs);
  },
  reference([byDistance, ids, total]) {
    const [heads, columns] = byDistance!.shape as [number, number];
    const tokens = ids!.shape[1]!;
    const keys = total ? total.data[0]! : tokens;
    const reach = (columns - 1) / 2;
    const y = ndarray([1, heads, tokens, keys]);
    for (let i = 0; i < y.data.length; i++) {
      const apart = (i % keys) - (keys - tokens + (Math.floor(i / keys) % tokens));
      const column = Math.max(-reach, Math.min(reach, apart)) + reach;
      y.data[i] = byDistance!.data[Math.floor(i / keys / tokens) * columns + column]!;
    }
    return [y];
  },
};

/**
 * The bias that each head adds to a score by the distance of key and query: byDistance [heads, 2·reach + 1], for
 * distances −reach … reach (farther ones count as those), for the queries of ids [batch, tokens], the last of `total`
 * positions (i32 [], `past` + tokens; absent: ids are all of them) → [1, heads, tokens, total].
 */
export const relativeBias = (byDistance: Tensor, ids: Tensor, total?: Tensor, past: Dim = 0): Tensor =>
  apply1(biasOp, [byDistance, ids, ...(total ? [total] : [])], { past });
