import { add, type Dim, mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import {
  type AttentionAttrs,
  attend,
  type CacheTensors,
  causalPairs,
  HEAD_STEP,
  kernelAttributes,
  ROTARY_STEP,
} from "./attention.ts";
import { rotate } from "./rotary.ts";

export type SharedAttentionAttrs = Omit<AttentionAttrs, "rotated" | "chunk" | "sinks">;

const sharedOp: Op<SharedAttentionAttrs> = {
  name: "sharedAttention",
  operands: ["q", "key", "value", "lengths", "total", "cos", "sin", "positions"],
  infer([q, key, value, lengths, total, cos, sin, positions], { heads, kvHeads, headSize, rotary }) {
    const expect = (operand: string, t: TensorType | undefined, fits: boolean | undefined, expected: string) => {
      if (!fits) throw new ShapeError("sharedAttention", operand, t ? showType(t) : "missing", expected);
    };
    const batch = q!.shape[0]!;
    const width = heads * headSize;
    expect("q", q, q!.shape.length === 3 && q!.shape[2] === width, `[batch, tokens, ${width}]`);
    const step = rotary === "none" ? HEAD_STEP : ROTARY_STEP;
    expect("q", q, headSize % step === 0, `a head size that is a multiple of ${step}, not ${headSize}`);
    for (const [name, t] of Object.entries({ key, value }))
      expect(
        name,
        t,
        sameShape(t!.shape.toSpliced(2, 1), [batch, kvHeads, headSize]),
        `[${batch}, ${kvHeads}, capacity, ${headSize}]`,
      );
    expect("lengths", lengths, lengths!.dtype === "i32" && sameShape(lengths!.shape, [batch]), `i32[${batch}]`);
    expect("total", total, total!.dtype === "i32" && total!.shape.length === 0, "i32[]");
    for (const [name, t] of Object.entries(rotary === "none" ? {} : { cos, sin }))
      expect(
        name,
        t,
        t?.shape.length === 2 && sameShape([t.shape[1]!], [headSize / 2]),
        `[positions, ${headSize / 2}]`,
      );
    const tokens = q!.shape.slice(0, 2);
    if (positions !== undefined)
      expect("positions", positions, positions.dtype === "i64" && sameShape(positions.shape, tokens), `i64[${tokens}]`);
    return [q!, key!, value!];
  },
  onnx(emit, { inputs: [q, ...rest], outputs }, attrs) {
    // No new keys: [batch, 0, kvHeads·headSize].
    const ends = emit.ints([0, attrs.kvHeads * attrs.headSize]);
    const none = emit.value("Slice", [q!, emit.ints([0, 0]), ends, emit.ints([1, 2])]);
    emit.contrib("GroupQueryAttention", [q!, none, none, ...rest], outputs, kernelAttributes(attrs));
  },
  // The kernel visits every bound key, as in a layer with its own keys.
  cost([q], _outputs, { heads, kvHeads, headSize, past }) {
    const [batch, tokens] = q!.shape as [Dim, Dim];
    const width = mul(batch, tokens, heads * headSize * 4);
    return {
      flops: mul(4 * heads * headSize, batch, causalPairs(tokens, past)),
      read: add(width, mul(batch, add(past, tokens), kvHeads * headSize * 2 * 4)),
      written: width,
    };
  },
  reference([q, keys, values, lengths, _total, cos, sin, positions], attrs) {
    const { heads, kvHeads, headSize, window = Number.POSITIVE_INFINITY } = attrs;
    const [batch, tokens] = q!.shape as [number, number];
    const capacity = keys!.shape[2]!;
    const y = ndarray([batch, tokens, heads * headSize]);
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < tokens; t++)
        for (let h = 0; h < heads; h++) {
          const place = lengths!.data[b]! + 1 - tokens + t;
          const at = ((b * tokens + t) * heads + h) * headSize;
          const plain = q!.data.subarray(at, at + headSize);
          const turn = positions?.data[b * tokens + t] ?? place;
          const query = cos && sin ? rotate(plain, turn, { cos, sin }, attrs.rotary) : plain;
          const row = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * capacity;
          const first = Math.max(0, place + 1 - window);
          const key = (n: number) => (row + first + n) * headSize;
          y.data.set(attend(query, keys!.data, values!.data, key, place + 1 - first, attrs), at);
        }
    return [y, keys!, values!];
  },
};

/**
 * Causal attention to another layer's cached keys and values, including the new tokens' entries: q [batch, tokens,
 * heads·headSize] → y, of the same shape. Otherwise as in `cachedAttention`. The cache does not change, but the
 * kernel would copy it unless past and present are bound to one buffer.
 */
export function sharedAttention(
  q: Tensor,
  { pastKey, pastValue, lengths, total, positions }: CacheTensors,
  tables: { cos: Tensor; sin: Tensor } | undefined,
  attrs: SharedAttentionAttrs,
) {
  const turned = tables ? [tables.cos, tables.sin, ...(positions ? [positions] : [])] : [];
  const inputs = [q, pastKey, pastValue, lengths, total, ...turned];
  const [y, presentKey, presentValue] = apply(sharedOp, inputs, attrs) as [Tensor, Tensor, Tensor];
  return { y, presentKey, presentValue };
}
