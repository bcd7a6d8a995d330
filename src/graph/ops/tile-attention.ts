import { add, type Dim, evalDim, mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { sizeInBytes } from "../tensor.ts";
import { attend, causalPairs } from "./attention.ts";

interface TileAttrs {
  readonly scale: number;
  /** Keys before the tile's own. */
  readonly past: Dim;
}

const name = "tileAttention";

const tileOp: Op<TileAttrs> = {
  name,
  operands: ["q", "key", "value", "keys", "values", "lengths", "total"],
  infer([q, key, value, keys, values]) {
    for (const [operand, t] of [["key", key!] as const, ["value", value!] as const])
      if (!sameShape(t.shape, q!.shape)) throw new ShapeError(name, operand, showType(t), showType(q!));
    if (keys!.shape.length !== 4 || !sameShape(keys!.shape.slice(-1), q!.shape.slice(-1)))
      throw new ShapeError(name, "keys", showType(keys!), `[1, 1, past + tokens, ${q!.shape.at(-1)}]`);
    if (!sameShape(values!.shape, keys!.shape))
      throw new ShapeError(name, "values", showType(values!), showType(keys!));
    return [q!, keys!, values!];
  },
  onnx: (emit, { inputs, outputs }, { scale }) =>
    emit.contrib("GroupQueryAttention", inputs, outputs, {
      num_heads: { int: 1 },
      kv_num_heads: { int: 1 },
      scale: { float: scale },
    }),
  cost([q], _outputs, { past }) {
    const [, tokens, size] = q!.shape as [Dim, Dim, Dim];
    const keys = mul(8, add(past, tokens), size);
    return {
      flops: mul(4, size, causalPairs(tokens, past)),
      read: add(sizeInBytes(q!), keys),
      written: sizeInBytes(q!),
    };
  },
  reference([q, key, value, keys, values], { scale, past }, bindings) {
    const [, tokens, size] = q!.shape as [number, number, number];
    const before = evalDim(past, bindings);
    const allKeys = keys!.data.slice();
    const allValues = values!.data.slice();
    allKeys.set(key!.data, before * size);
    allValues.set(value!.data, before * size);
    const y = ndarray(q!.shape);
    for (let t = 0; t < tokens; t++)
      y.data.set(
        attend(q!.data.subarray(t * size, (t + 1) * size), allKeys, allValues, (p) => p * size, before + t + 1, scale),
        t * size,
      );
    return [y, { shape: keys!.shape, data: allKeys }, { shape: values!.shape, data: allValues }];
  },
};

export interface TileTensors {
  /** f32 [1, tokens, d] */
  readonly q: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /** f32 [1, 1, past + tokens, d]: the keys before the tile's own, and room for them. */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** i32 [1]: past + tokens − 1 */
  readonly lengths: Tensor;
  /** i32 []: past + tokens */
  readonly total: Tensor;
}

/**
 * Attention of one head's tile of queries to the keys that were gathered for it: all of `past`, and causally its own. `keys` and `values` are
 * to be bound to one buffer as inputs and outputs. A tile runs on one thread; many tiles run side by side.
 */
export function tileAttention(t: TileTensors, attrs: TileAttrs) {
  const inputs = [t.q, t.key, t.value, t.keys, t.values, t.lengths, t.total];
  const [y, keys, values] = apply(tileOp, inputs, attrs) as [Tensor, Tensor, Tensor];
  return { y, keys, values };
}
