import { type Dim, mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { attendBiased } from "./cross-attention.ts";
import {
  type EncoderAttentionAttrs,
  emitHidden,
  encoderAttentionBackward,
  MASKED,
  sees,
} from "./encoder-attention-backward.ts";

const attentionOp: Op<EncoderAttentionAttrs> = {
  name: "encoderAttention",
  operands: ["q", "k", "v", "mask", "bias"],
  infer([q, k, v, mask, bias], attrs) {
    const { heads } = attrs;
    if (q!.shape.length !== 3 || Number(q!.shape[2]) % heads !== 0)
      throw new ShapeError("encoderAttention", "q", showType(q!), `[batch, tokens, ${heads} heads]`);
    for (const [name, t] of Object.entries({ k, v }))
      if (!sameShape(t!.shape, q!.shape)) throw new ShapeError("encoderAttention", name, showType(t!), showType(q!));
    if (mask!.dtype !== "i32" || !sameShape(mask!.shape, q!.shape.slice(0, 2)))
      throw new ShapeError("encoderAttention", "mask", showType(mask!), `i32[${q!.shape.slice(0, 2).join(", ")}]`);
    if (bias) checkBias(bias, q!.shape[1]!, attrs);
    return [q!];
  },
  onnx(emit, { inputs: [q, k, v, mask, bias], outputs }, attrs) {
    const { heads, scale } = attrs;
    const added = bias ?? emitHidden(emit, q!, attrs) ?? "";
    emit.contrib("MultiHeadAttention", [q!, k!, v!, "", mask!, added], outputs, {
      num_heads: { int: heads },
      scale: { float: scale },
      mask_filter_value: { float: MASKED },
    });
  },
  gradient({ inputs: [q, k, v, mask, bias], outputs: [y], upstream: [dy], attrs }) {
    const tensors = { q: q!, k: k!, v: v!, mask: mask!, y: y!, dy: dy!, bias };
    const { dq, dk, dv, dbias } = encoderAttentionBackward(tensors, attrs);
    return [dq, dk, dv, undefined, dbias];
  },
  // The kernel scores every pair, including padding and keys out of reach.
  cost([q]) {
    const [batch, tokens, width] = q!.shape as [Dim, Dim, Dim];
    return { flops: mul(4, batch, tokens, tokens, width) };
  },
  reference([q, k, v, mask, bias], attrs) {
    const { heads, scale } = attrs;
    const [batch, tokens, width] = q!.shape as [number, number, number];
    const size = width / heads;
    const y = ndarray(q!.shape);
    for (let row = 0; row < batch * tokens; row++) {
      const [b, t] = [Math.floor(row / tokens), row % tokens];
      const seen = Array.from({ length: tokens }, (_, j) => j).filter(
        (j) => mask!.data[b * tokens + j] !== 0 && sees(attrs, t, j),
      );
      for (let h = 0; h < heads; h++) {
        const own = q!.data.subarray(row * width + h * size, row * width + (h + 1) * size);
        const at = (key: number) => (b * tokens + key) * width + h * size;
        const added = (key: number) => bias?.data[(h * tokens + t) * tokens + key] ?? 0;
        y.data.set(attendBiased(own, k!.data, v!.data, seen, at, added, scale), row * width + h * size);
      }
    }
    return [y];
  },
};

function checkBias(bias: TensorType, tokens: Dim, { heads, reach, causal }: EncoderAttentionAttrs): void {
  const hides = reach !== undefined || causal === true;
  const expected = hides ? "none with `reach` or `causal`" : `[1, ${heads}, tokens, tokens]`;
  if (hides || !sameShape(bias.shape, [1, heads, tokens, tokens]))
    throw new ShapeError("encoderAttention", "bias", showType(bias), expected);
}

/**
 * Attention of every token to all tokens but padding (mask 0): q, k, v [batch, tokens, heads·d], mask i32 [batch,
 * tokens], `bias` [1, heads, tokens, tokens] added to the scores → [batch, tokens, heads·d]. The result for padding is
 * undefined.
 */
export const encoderAttention = (
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor,
  attrs: EncoderAttentionAttrs,
  bias?: Tensor,
): Tensor => apply1(attentionOp, [q, k, v, mask, ...(bias ? [bias] : [])], attrs);

const columnsOp: Op<{ first: number }> = {
  name: "columns",
  operands: ["ids"],
  infer([ids]) {
    if (ids!.shape.length !== 2) throw new ShapeError("columns", "ids", showType(ids!), "[batch, tokens]");
    return [{ dtype: "i64", shape: [ids!.shape[1]!] }];
  },
  onnx(emit, { inputs: [ids], outputs }, { first }) {
    const tokens = emit.value("Gather", [emit.value("Shape", [ids!]), emit.ints([1], [])]);
    const end = emit.value("Add", [tokens, emit.ints([first], [])]);
    emit.node("Range", [emit.ints([first], []), end, emit.ints([1], [])], outputs);
  },
  gradient: "none",
  reference: ([ids], { first }) => [
    ndarray(
      [ids!.shape[1]!],
      Array.from({ length: ids!.shape[1]! }, (_, i) => first + i),
    ),
  ],
};

/** Positions i64 [tokens] of ids [batch, tokens], counted from `first`. */
export const columns = (ids: Tensor, first: number): Tensor => apply1(columnsOp, [ids], { first });
