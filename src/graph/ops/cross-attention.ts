import { mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** The score of padding: far below any other, but finite, so that a row of padding does not give NaN. */
const MASKED = -1e9;

interface CrossAttentionAttrs {
  readonly heads: number;
  readonly scale: number;
}

const crossOp: Op<CrossAttentionAttrs> = {
  name: "crossAttention",
  operands: ["q", "k", "v", "mask", "bias"],
  infer([q, k, v, mask, bias], { heads }) {
    const expect = (operand: string, fits: boolean, got: Parameters<typeof showType>[0], expected: string) => {
      if (!fits) throw new ShapeError("crossAttention", operand, showType(got), expected);
    };
    const [batch, tokens, width] = q!.shape;
    expect("q", q!.shape.length === 3 && Number(width) % heads === 0, q!, `[batch, tokens, ${heads} heads]`);
    const source = mask!.shape[1]!;
    expect("mask", mask!.dtype === "i32" && sameShape(mask!.shape, [batch!, source]), mask!, `i32[${batch}, source]`);
    const rows = [batch!, heads, source, Number(width) / heads];
    for (const [name, t] of Object.entries({ k: k!, v: v! }))
      expect(name, sameShape(t.shape, rows), t, `[${rows.join(", ")}]`);
    if (bias) expect("bias", sameShape(bias.shape, [1, heads, tokens!, source]), bias, "[1, heads, tokens, source]");
    return [q!];
  },
  onnx(emit, { inputs: [q, k, v, mask, bias], outputs }, { heads, scale }) {
    emit.contrib("MultiHeadAttention", [q!, k!, v!, "", mask!, bias ?? ""], outputs, {
      num_heads: { int: heads },
      scale: { float: scale },
      mask_filter_value: { float: MASKED },
    });
  },
  cost: ([q, , , mask]) => ({ flops: mul(4, ...q!.shape, mask!.shape[1]!) }),
  reference([q, k, v, mask, bias], { heads, scale }) {
    const [batch, tokens, width] = q!.shape as [number, number, number];
    const [source, size] = k!.shape.slice(2) as [number, number];
    const y = ndarray(q!.shape);
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [h, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const own = q!.data.subarray(i * size, (i + 1) * size);
      const at = (key: number) => ((b * heads + h) * source + key) * size;
      const added = (key: number) => bias?.data[(h * tokens + t) * source + key] ?? 0;
      const seen = Array.from({ length: source }, (_, key) => key).filter((key) => mask!.data[b * source + key] !== 0);
      y.data.set(attendBiased(own, k!.data, v!.data, seen, at, added, scale), (b * tokens + t) * width + h * size);
    }
    return [y];
  },
};

/** Softmax-weighted mean of the `seen` values, for one query. */
export function attendBiased(
  q: Float64Array,
  keys: Float64Array,
  values: Float64Array,
  seen: readonly number[],
  at: (key: number) => number,
  added: (key: number) => number,
  scale: number,
): Float64Array {
  const dot = (key: number) => q.reduce((sum, v, i) => sum + v * keys[at(key) + i]!, 0);
  const scores = seen.map((key) => scale * dot(key) + added(key));
  const top = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - top));
  const norm = weights.reduce((a, b) => a + b, 0);
  return q.map((_, i) => seen.reduce((sum, key, j) => sum + (weights[j]! / norm) * values[at(key) + i]!, 0));
}

/**
 * Attention to a source's keys and values in a cache: q [batch, tokens, heads·d], k and v [batch, heads, source, d],
 * mask i32 [batch, source] (1 for a token, 0 for padding), `bias` [1, heads, tokens, source] added to the scores →
 * [batch, tokens, heads·d].
 */
export const crossAttention = (
  q: Tensor,
  { k, v, mask }: { k: Tensor; v: Tensor; mask: Tensor },
  bias: Tensor | undefined,
  attrs: CrossAttentionAttrs,
): Tensor => apply1(crossOp, [q, k, v, mask, ...(bias ? [bias] : [])], attrs);
