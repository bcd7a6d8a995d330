import { sameShape } from "../dim.ts";
import type { NdArray } from "../ndarray.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** Which elements of a head are rotated together: (2i, 2i+1), (i, i + d/2), or none. */
export type RotaryPairs = "interleaved" | "half" | "none";

/** One head's vector at a position, its first elements rotated, as many as the tables have columns, twice; the others stay. */
export function rotate(
  x: Float64Array,
  position: number,
  tables: { cos: NdArray; sin: NdArray },
  pairs: RotaryPairs,
): Float64Array {
  if (pairs === "none") return x;
  const half = tables.cos.shape[1]!;
  const y = x.slice();
  for (let i = 0; i < half; i++) {
    const [a, b] = pairs === "interleaved" ? [2 * i, 2 * i + 1] : [i, i + half];
    const c = tables.cos.data[position * half + i]!;
    const s = tables.sin.data[position * half + i]!;
    y[a] = x[a]! * c - x[b]! * s;
    y[b] = x[a]! * s + x[b]! * c;
  }
  return y;
}

interface RotaryAttrs {
  readonly heads: number;
  readonly pairs: Exclude<RotaryPairs, "none">;
}

const rotaryOp: Op<RotaryAttrs> = {
  name: "rotaryEmbedding",
  operands: ["x", "first", "cos", "sin"],
  infer([x, first, cos, sin], { heads }) {
    if (x!.shape.length !== 3 || x!.shape[2] !== heads * 2 * Number(cos!.shape[1]))
      throw new ShapeError("rotaryEmbedding", "x", showType(x!), `[1, tokens, ${heads} * 2 * ${cos!.shape[1]}]`);
    if (!sameShape(first!.shape, [1])) throw new ShapeError("rotaryEmbedding", "first", showType(first!), "i64[1]");
    if (!sameShape(cos!.shape, sin!.shape))
      throw new ShapeError("rotaryEmbedding", "sin", showType(sin!), showType(cos!));
    return [x!];
  },
  onnx: (emit, { inputs, outputs }, { heads, pairs }) =>
    emit.contrib("RotaryEmbedding", inputs, outputs, {
      interleaved: { int: pairs === "interleaved" ? 1 : 0 },
      num_heads: { int: heads },
    }),
  reference([x, first, cos, sin], { pairs }) {
    const size = 2 * cos!.shape[1]!;
    const [batch, tokens, width] = x!.shape as [number, number, number];
    const y = ndarray(x!.shape);
    for (let t = 0; t < batch * tokens; t++)
      for (let at = t * width; at < (t + 1) * width; at += size)
        y.data.set(
          rotate(x!.data.subarray(at, at + size), first!.data[0]! + (t % tokens), { cos: cos!, sin: sin! }, pairs),
          at,
        );
    return [y];
  },
};

/** Rotary position embedding (Su et al. 2021) of x [1, tokens, heads·d], its first token at position `first` (i64 [1]); tables [positions, d/2]. */
export const rotaryEmbedding = (
  x: Tensor,
  first: Tensor,
  tables: { cos: Tensor; sin: Tensor },
  attrs: RotaryAttrs,
): Tensor => apply1(rotaryOp, [x, first, tables.cos, tables.sin], attrs);
