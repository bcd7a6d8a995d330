import { sameShape } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { scale } from "./elementwise.ts";

/** The elements of a head that are rotated together: (2i, 2i+1), (i, i + d/2), or none. */
export type RotaryPairs = "interleaved" | "half" | "none";

/** One head's vector at a position. The first elements are rotated, two per column of the tables; the others do not change. */
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
  operands: ["x", "positions", "cos", "sin"],
  infer([x, positions, cos, sin], { heads }) {
    const size = Number(x!.shape[2]) / heads;
    if (x!.shape.length !== 3 || !Number.isInteger(size) || size < 2 * Number(cos!.shape[1]))
      throw new ShapeError(
        "rotaryEmbedding",
        "x",
        showType(x!),
        `[batch, tokens, ${heads} heads of 2 * ${cos!.shape[1]} or more]`,
      );
    if (!sameShape(positions!.shape, [1]) && !sameShape(positions!.shape, x!.shape.slice(0, 2)))
      throw new ShapeError(
        "rotaryEmbedding",
        "positions",
        showType(positions!),
        `i64[1] or i64[${x!.shape.slice(0, 2)}]`,
      );
    if (!sameShape(cos!.shape, sin!.shape))
      throw new ShapeError("rotaryEmbedding", "sin", showType(sin!), showType(cos!));
    return [x!];
  },
  onnx(emit, { inputs, outputs, types: [x, , cos] }, { heads, pairs }) {
    const rotated = 2 * Number(cos!.shape[1]);
    emit.contrib("RotaryEmbedding", inputs, outputs, {
      interleaved: { int: pairs === "interleaved" ? 1 : 0 },
      num_heads: { int: heads },
      ...(rotated !== Number(x!.shape[2]) / heads && { rotary_embedding_dim: { int: rotated } }),
    });
  },
  // Rotates back by the same angles.
  gradient({ inputs: [, positions, cos, sin], upstream: [dy], attrs, wanted }) {
    if (wanted[2] || wanted[3]) throw new Error("rotaryEmbedding has no gradient for its tables");
    return [rotaryEmbedding(dy!, positions!, { cos: cos!, sin: scale(sin!, -1) }, attrs)];
  },
  reference([x, positions, cos, sin], { heads, pairs }) {
    const [batch, tokens, width] = x!.shape as [number, number, number];
    const size = width / heads;
    const y = ndarray(x!.shape);
    const places = positions!.data;
    const position = (t: number) => (positions!.shape.length === 1 ? places[0]! + (t % tokens) : places[t]!);
    for (let t = 0; t < batch * tokens; t++)
      for (let at = t * width; at < (t + 1) * width; at += size)
        y.data.set(rotate(x!.data.subarray(at, at + size), position(t), { cos: cos!, sin: sin! }, pairs), at);
    return [y];
  },
};

/**
 * Rotary position embedding (Su et al. 2021) of x [batch, tokens, heads·d]; tables [positions, d/2], or narrower to
 * rotate only the first elements of each head. `positions` is i64 [batch, tokens], or i64 [1], the first token's
 * position, if positions are consecutive.
 */
export const rotaryEmbedding = (
  x: Tensor,
  positions: Tensor,
  tables: { cos: Tensor; sin: Tensor },
  attrs: RotaryAttrs,
): Tensor => apply1(rotaryOp, [x, positions, tables.cos, tables.sin], attrs);
