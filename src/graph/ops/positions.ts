import { sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

interface PositionsAttrs {
  /** Rows with more tokens than this use LongRoPE's second table, at an offset of this size; if absent, no row does. */
  readonly beyond?: number | undefined;
}

const positionsOp: Op<PositionsAttrs> = {
  name: "positions",
  operands: ["ids", "lengths"],
  infer([ids, lengths]) {
    if (ids!.shape.length !== 2) throw new ShapeError("positions", "ids", showType(ids!), "[batch, tokens]");
    if (lengths!.dtype !== "i32" || !sameShape(lengths!.shape, ids!.shape.slice(0, 1)))
      throw new ShapeError("positions", "lengths", showType(lengths!), `i32[${ids!.shape[0]}]`);
    return [{ dtype: "i64", shape: ids!.shape }];
  },
  onnx(emit, { inputs: [ids, lengths], outputs }, { beyond }) {
    const tokens = emit.value("Gather", [emit.value("Shape", [ids!]), emit.ints([1], [])]);
    const steps = emit.value("Range", [emit.ints([0], []), tokens, emit.ints([1], [])]);
    const last = emit.value("Cast", [lengths!], { to: { int: 7 } });
    const end = emit.value("Add", [last, emit.ints([1], [])]);
    const first = emit.value("Sub", [end, tokens]);
    const moved = beyond === undefined ? first : emit.value("Add", [first, onward(emit, end, beyond)]);
    emit.node("Add", [emit.value("Unsqueeze", [moved, emit.ints([1])]), steps], outputs);
  },
  gradient: "none",
  reference([ids, lengths], { beyond = Number.POSITIVE_INFINITY }) {
    const tokens = ids!.shape[1]!;
    const onward = (end: number) => (end > beyond ? beyond : 0);
    const at = (i: number) => {
      const end = lengths!.data[Math.floor(i / tokens)]! + 1;
      return end - tokens + (i % tokens) + onward(end);
    };
    return [
      ndarray(
        ids!.shape,
        Float64Array.from({ length: ids!.data.length }, (_, i) => at(i)),
      ),
    ];
  },
};

/** The offset of each row's positions. */
function onward(emit: Emitter, end: string, beyond: number): string {
  const far = emit.value("Greater", [end, emit.ints([beyond], [])]);
  return emit.value("Where", [far, emit.ints([beyond], []), emit.ints([0], [])]);
}

/** Positions i64 [batch, tokens] of ids that end at `lengths` (i32 [batch], tokens in the cache after this run, minus one). */
export const positions = (ids: Tensor, lengths: Tensor, attrs: PositionsAttrs = {}): Tensor =>
  apply1(positionsOp, [ids, lengths], attrs);
