import { add, type Dim, mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { type CacheTensors, causalPairs } from "./attention.ts";
import { attendBiased } from "./cross-attention.ts";

interface BiasedAttrs {
  readonly heads: number;
  /** The size of a head, a multiple of 8. */
  readonly headSize: number;
  readonly scale: number;
  /** The number of tokens already in the cache. */
  readonly past: Dim;
}

const biasedOp: Op<BiasedAttrs> = {
  name: "biasedAttention",
  operands: ["qkv", "pastKey", "pastValue", "lengths", "total", "bias"],
  infer([qkv, pastKey, pastValue, lengths, total, bias], { heads, headSize, past }) {
    const expect = (operand: string, t: TensorType, fits: boolean, expected: string) => {
      if (!fits) throw new ShapeError("biasedAttention", operand, showType(t), expected);
    };
    const [batch, tokens, width] = qkv!.shape;
    expect(
      "qkv",
      qkv!,
      qkv!.shape.length === 3 && width === 3 * heads * headSize,
      `[batch, tokens, 3·${heads * headSize}]`,
    );
    for (const [name, t] of Object.entries({ pastKey: pastKey!, pastValue: pastValue! }))
      expect(
        name,
        t,
        sameShape(t.shape.toSpliced(2, 1), [batch!, heads, headSize]),
        `[${batch}, ${heads}, capacity, ${headSize}]`,
      );
    expect("lengths", lengths!, lengths!.dtype === "i32" && sameShape(lengths!.shape, [batch!]), `i32[${batch}]`);
    expect("total", total!, total!.dtype === "i32" && total!.shape.length === 0, "i32[]");
    const biases = [1, heads, tokens!, add(past, tokens!)];
    expect("bias", bias!, sameShape(bias!.shape, biases), `[${biases.join(", ")}]`);
    return [{ dtype: "f32", shape: [batch!, tokens!, heads * headSize] }, pastKey!, pastValue!];
  },
  onnx(emit, { inputs, outputs }, { heads, scale }) {
    const [qkv, pastKey, pastValue, lengths, total, bias] = inputs as [string, string, string, string, string, string];
    // There are no rotary tables or separate positions.
    emit.contrib("GroupQueryAttention", [qkv, "", "", pastKey, pastValue, lengths, total, "", "", "", bias], outputs, {
      num_heads: { int: heads },
      kv_num_heads: { int: heads },
      scale: { float: scale },
    });
  },
  cost([qkv, , , , , bias], _outputs, { heads, headSize, past }) {
    const [batch, tokens] = qkv!.shape as [Dim, Dim];
    const width = heads * headSize;
    const cache = mul(batch, add(past, tokens), width * 2 * 4);
    return {
      flops: mul(4 * width, batch, causalPairs(tokens, past)),
      read: add(mul(batch, tokens, 3 * width * 4), cache, mul(4, ...bias!.shape)),
      written: mul(batch, tokens, 3 * width * 4),
    };
  },
  reference([qkv, pastKey, pastValue, , total, bias], { heads, headSize, scale }) {
    const [batch, tokens] = qkv!.shape as [number, number];
    const [capacity, end] = [pastKey!.shape[2]!, total!.data[0]!];
    const keys = { shape: pastKey!.shape, data: pastKey!.data.slice() };
    const values = { shape: pastValue!.shape, data: pastValue!.data.slice() };
    const y = ndarray([batch, tokens, heads * headSize]);
    const at = (b: number, h: number, position: number) => ((b * heads + h) * capacity + position) * headSize;
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [h, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const part = (which: number) => {
        const from = (((b * tokens + t) * 3 + which) * heads + h) * headSize;
        return qkv!.data.subarray(from, from + headSize);
      };
      keys.data.set(part(1), at(b, h, end - tokens + t));
      values.data.set(part(2), at(b, h, end - tokens + t));
      // Tokens come in order, so the visible keys are already written.
      const seen = Array.from({ length: end - tokens + t + 1 }, (_, key) => key);
      const added = (key: number) => bias!.data[(h * tokens + t) * end + key]!;
      y.data.set(
        attendBiased(part(0), keys.data, values.data, seen, (key) => at(b, h, key), added, scale),
        i * headSize,
      );
    }
    return [y, keys, values];
  },
};

/**
 * Like `cachedAttention`, with separate keys and values for each head, no rotation, and `bias` [1, heads, tokens, past
 * + tokens] added to the scores. All rows have the same length.
 */
export function biasedAttention(qkv: Tensor, cache: CacheTensors, bias: Tensor, attrs: BiasedAttrs) {
  const inputs = [qkv, cache.pastKey, cache.pastValue, cache.lengths, cache.total, bias];
  const [y, presentKey, presentValue] = apply(biasedOp, inputs, attrs) as [Tensor, Tensor, Tensor];
  return { y, presentKey, presentValue };
}
