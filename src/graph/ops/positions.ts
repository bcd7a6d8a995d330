import { sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const positionsOp: Op<null> = {
  name: "positions",
  operands: ["ids", "lengths"],
  infer([ids, lengths]) {
    if (ids!.shape.length !== 2) throw new ShapeError("positions", "ids", showType(ids!), "[batch, tokens]");
    if (lengths!.dtype !== "i32" || !sameShape(lengths!.shape, ids!.shape.slice(0, 1)))
      throw new ShapeError("positions", "lengths", showType(lengths!), `i32[${ids!.shape[0]}]`);
    return [{ dtype: "i64", shape: ids!.shape }];
  },
  onnx(emit, { inputs: [ids, lengths], outputs }) {
    const tokens = emit.value("Gather", [emit.value("Shape", [ids!]), emit.ints([1], [])]);
    const steps = emit.value("Range", [emit.ints([0], []), tokens, emit.ints([1], [])]);
    const last = emit.value("Cast", [lengths!], { to: { int: 7 } });
    const first = emit.value("Sub", [emit.value("Add", [last, emit.ints([1], [])]), tokens]);
    emit.node("Add", [emit.value("Unsqueeze", [first, emit.ints([1])]), steps], outputs);
  },
  reference([ids, lengths]) {
    const tokens = ids!.shape[1]!;
    const at = (i: number) => lengths!.data[Math.floor(i / tokens)]! + 1 - tokens + (i % tokens);
    return [
      ndarray(
        ids!.shape,
        Float64Array.from({ length: ids!.data.length }, (_, i) => at(i)),
      ),
    ];
  },
};

/** Positions i64 [batch, tokens] of ids that end at `lengths` (i32 [batch], tokens in the cache after this run, minus one). */
export const positions = (ids: Tensor, lengths: Tensor): Tensor => apply1(positionsOp, [ids, lengths], null);
