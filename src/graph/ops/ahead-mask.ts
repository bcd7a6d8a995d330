import { add, type Dim } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

interface AheadAttrs {
  /** The number of tokens already in the cache. */
  readonly past: Dim;
  /** The number of keys that a query sees, up to and including its own; all if absent. */
  readonly window?: number | undefined;
}

const INT64 = { to: { int: 7 } };

const aheadOp: Op<AheadAttrs> = {
  name: "aheadMask",
  operands: ["lengths", "ahead"],
  infer([lengths, ahead], { past }) {
    if (ahead!.dtype !== "i64" || ahead!.shape.length !== 1)
      throw new ShapeError("aheadMask", "ahead", showType(ahead!), "i64[tokens]");
    if (lengths!.dtype !== "i32" || lengths!.shape.length !== 1)
      throw new ShapeError("aheadMask", "lengths", showType(lengths!), "i32[1]");
    const [tokens] = ahead!.shape as [Dim];
    const all = add(past, tokens);
    return [
      { dtype: "i64", shape: [1] },
      { dtype: "i64", shape: [all] },
      { dtype: "f32", shape: [tokens, all] },
    ];
  },
  onnx(emit, { inputs: [lengths, ahead], outputs: [first, entries, mask] }, { window }) {
    const [zero, one] = [emit.ints([0], []), emit.ints([1], [])];
    const last = emit.value("Gather", [emit.value("Cast", [lengths!], INT64), zero]);
    const end = emit.value("Add", [last, one]);
    const start = emit.value("Sub", [end, emit.value("Squeeze", [emit.value("Shape", [ahead!]), emit.ints([0])])]);
    emit.node("Unsqueeze", [start, emit.ints([0])], [first!]);
    emit.node("Range", [zero, end, one], [entries!]);
    const column = (x: string) => emit.value("Unsqueeze", [x, emit.ints([1])]);
    const own = emit.value("Range", [start, end, one]);
    const reached = emit.value("LessOrEqual", [entries!, column(emit.value("Add", [own, ahead!]))]);
    const within = () => emit.value("Greater", [entries!, column(emit.value("Sub", [own, emit.ints([window!], [])]))]);
    const seen = window === undefined ? reached : emit.value("And", [reached, within()]);
    const [shown, hidden] = [0, Number.NEGATIVE_INFINITY].map((value) => emit.floats([value], []));
    emit.node("Where", [seen, shown!, hidden!], [mask!]);
  },
  gradient: "none",
  reference([lengths, ahead], { window = Number.POSITIVE_INFINITY }) {
    const tokens = ahead!.shape[0]!;
    const end = lengths!.data[0]! + 1;
    const sees = (i: number) => {
      const [query, key] = [end - tokens + Math.floor(i / end), i % end];
      return key <= query + ahead!.data[query - end + tokens]! && key > query - window;
    };
    return [
      ndarray([1], Float64Array.of(end - tokens)),
      ndarray(
        [end],
        Float64Array.from({ length: end }, (_, i) => i),
      ),
      ndarray(
        [tokens, end],
        Float64Array.from({ length: tokens * end }, (_, i) => (sees(i) ? 0 : Number.NEGATIVE_INFINITY)),
      ),
    ];
  },
};

/**
 * Keys visible to one row's new tokens if some see later tokens. `lengths` i32 [1] is the cache's length after this
 * run, minus one; `ahead` i64 [tokens] counts the later tokens that each new token sees. Returns `first` i64 [1], the
 * entry of the first new token; `entries` i64 [past + tokens], 0, 1, …; and `mask` [tokens, past + tokens], 0 or −∞.
 */
export function aheadMask(lengths: Tensor, ahead: Tensor, attrs: AheadAttrs) {
  const [first, entries, mask] = apply(aheadOp, [lengths, ahead], attrs) as [Tensor, Tensor, Tensor];
  return { first, entries, mask };
}
