import { add, type Dim, mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor, type TensorType } from "../tensor.ts";
import { attend, causalPairs } from "./attention.ts";

interface TileAttrs {
  readonly scale: number;
}

const name = "tileAttention";

function check(operand: string, t: TensorType, shape: readonly Dim[]): void {
  if (!sameShape(t.shape, shape)) throw new ShapeError(name, operand, showType(t), showType({ dtype: "f32", shape }));
}

const tileOp: Op<TileAttrs> = {
  name,
  operands: ["q", "key", "pastKeys", "values", "causal"],
  infer([q, key, pastKeys, values, causal]) {
    const [tokens, size] = q!.shape.slice(1) as [Dim, Dim];
    const past = pastKeys!.shape[0]!;
    check("key", key!, [tokens, size]);
    check("pastKeys", pastKeys!, [past, size]);
    check("values", values!, [add(past, tokens), size]);
    check("causal", causal!, [tokens, tokens]);
    return [q!];
  },
  onnx(emit, { inputs, outputs }, { scale }) {
    const [q, key, pastKeys, values, causal] = inputs as [string, string, string, string, string];
    const scores = (keys: string) => {
      const product = emit.temp();
      emit.contrib("FusedMatMul", [q, keys], [product], { transB: { int: 1 }, alpha: { float: scale } });
      return product;
    };
    const own = emit.value("Add", [scores(key), causal]);
    const all = emit.value("Concat", [scores(pastKeys), own], { axis: { int: -1 } });
    emit.node("MatMul", [emit.value("Softmax", [all], { axis: { int: -1 } }), values], outputs);
  },
  cost([q, , pastKeys, values]) {
    const [, tokens, size] = q!.shape as [Dim, Dim, Dim];
    return {
      flops: mul(4, size, causalPairs(tokens, pastKeys!.shape[0]!)),
      read: add(sizeInBytes(q!), mul(8, volume(values!.shape))),
      written: sizeInBytes(q!),
    };
  },
  reference([q, key, pastKeys, values], { scale }) {
    const [, tokens, size] = q!.shape as [number, number, number];
    const past = pastKeys!.shape[0]!;
    const keys = Float64Array.of(...pastKeys!.data, ...key!.data);
    const y = ndarray(q!.shape);
    for (let t = 0; t < tokens; t++) {
      const query = q!.data.subarray(t * size, (t + 1) * size);
      y.data.set(
        attend(query, keys, values!.data, (p) => p * size, past + t + 1, { scale }),
        t * size,
      );
    }
    return [y];
  },
};

export interface TileTensors {
  /** f32 [1, tokens, d] */
  readonly q: Tensor;
  /** f32 [tokens, d]: the tile's own keys. */
  readonly key: Tensor;
  /** f32 [past, d]: the gathered earlier keys; may be empty. */
  readonly pastKeys: Tensor;
  /** f32 [past + tokens, d]: the values of the gathered keys, then of the tile's own keys. */
  readonly values: Tensor;
  /** f32 [tokens, tokens]: 0 where query i sees own key j ≤ i, −∞ elsewhere. */
  readonly causal: Tensor;
}

/**
 * Attention of one head's tile of queries to its gathered keys: all past keys and, causally, the tile's own keys.
 * Billed for the visible pairs, like dense attention. → [1, tokens, d]
 */
export const tileAttention = (t: TileTensors, attrs: TileAttrs): Tensor =>
  apply1(tileOp, [t.q, t.key, t.pastKeys, t.values, t.causal], attrs);
