import { mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { attend, attentionWeights } from "./attention.ts";
import { causalAttentionBackward } from "./causal-attention-backward.ts";
import {
  blocksOf,
  byName,
  type CausalAttrs,
  CausalEmitter,
  type OptionalAttrs,
  optionalOperands,
  type PerToken,
  pairsOf,
  seesBy,
  sinksIn,
  weightShapes,
} from "./causal-blocks.ts";

const causalOp: Op<OptionalAttrs> = {
  name: "causalAttention",
  operands: ["q", "k", "v", "documents", "prefix", "sinks"],
  infer([q, k, v, ...rest], attrs) {
    const { heads, kvHeads, headSize } = attrs;
    const [batch, tokens] = q!.shape;
    if (q!.shape.length !== 3 || q!.shape[2] !== heads * headSize)
      throw new ShapeError("causalAttention", "q", showType(q!), `[batch, tokens, ${heads * headSize}]`);
    if (typeof batch !== "number" || typeof tokens !== "number")
      throw new ShapeError("causalAttention", "q", showType(q!), "a known batch size and number of tokens");
    for (const [operand, t] of Object.entries({ k: k!, v: v! }))
      if (!sameShape(t.shape, [batch, tokens, kvHeads * headSize]))
        throw new ShapeError("causalAttention", operand, showType(t), `[${batch}, ${tokens}, ${kvHeads * headSize}]`);
    for (const [operand, t] of Object.entries(byName(rest, attrs) as Record<string, TensorType>))
      if (t.dtype !== "i64" || !sameShape(t.shape, [batch, tokens]))
        throw new ShapeError("causalAttention", operand, showType(t), `i64[${batch}, ${tokens}]`);
    const sinks = sinksIn(rest, attrs);
    if (attrs.sinks && !(sinks && sameShape(sinks.shape, [heads])))
      throw new ShapeError("causalAttention", "sinks", sinks ? showType(sinks) : "missing", `[${heads}]`);
    const weights = weightShapes([batch, tokens], attrs);
    return [q!, ...weights.map((shape) => ({ dtype: "f32" as const, shape }))];
  },
  onnx(emit, { inputs: [q, k, v, ...rest], outputs: [y, ...blockWeights], types }, attrs) {
    const e = new CausalEmitter(emit, types, attrs);
    const [queries, keys, values] = [e.rows(q!, e.group), e.rows(k!, 1), e.rows(v!, 1)];
    const perToken = e.layOut(byName(rest, attrs));
    const sinks = sinksIn(rest, attrs);
    const parts = blocksOf(e.tokens, attrs, perToken.prefix !== undefined).map((block, i) => {
      const scores = e.scores(e.queries(queries, block), keys, block, perToken);
      const weights = e.weights(scores, block, sinks, blockWeights[i]);
      return emit.value("MatMul", [weights, e.keys(values, block)]);
    });
    e.merge(e.join(parts), e.group, y!);
  },
  gradient({ inputs: [q, k, v, ...rest], outputs: [y, ...weights], upstream: [dy], attrs }) {
    const perToken = { ...byName(rest, attrs), sinks: sinksIn(rest, attrs) };
    const { dq, dk, dv, dsinks } = causalAttentionBackward(
      { q: q!, k: k!, v: v!, y: y!, dy: dy!, ...perToken },
      weights,
      attrs,
    );
    return [dq, dk, dv, ...attrs.present.map(() => undefined), dsinks];
  },
  cost: ([q], _outputs, attrs) => ({
    flops: mul(4 * attrs.heads * attrs.headSize * pairsOf(Number(q!.shape[1]), attrs), q!.shape[0]!),
  }),
  reference([q, k, v, ...rest], attrs) {
    const [batch, tokens] = q!.shape as [number, number];
    const isSeen = seesBy(byName(rest, attrs), tokens, attrs);
    const { heads, kvHeads, headSize } = attrs;
    const sinks = sinksIn(rest, attrs);
    const y = ndarray(q!.shape);
    const blockWeights = weightShapes(q!.shape, attrs).map((shape) => ndarray(shape));
    const blocks = blocksOf(tokens, attrs, attrs.present.includes("prefix"));
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [head, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const seen = [...Array(tokens).keys()].filter((at) => isSeen(b, t, at));
      const at = (index: number) =>
        ((b * tokens + seen[index]!) * kvHeads + Math.floor((head * kvHeads) / heads)) * headSize;
      const query = q!.data.subarray(i * headSize, (i + 1) * headSize);
      const scores = { ...attrs, sink: sinks?.data[head] };
      y.data.set(attend(query, k!.data, v!.data, at, seen.length, scores), i * headSize);
      const block = Math.floor(t / blocks[0]!.last);
      if (!blockWeights[block]) continue;
      const [group, { from, first, last, to }] = [heads / kvHeads, blocks[block]!];
      const row = (b * kvHeads + Math.floor(head / group)) * (last - first) + t - first;
      const weights = attentionWeights(query, k!.data, at, seen.length, scores);
      for (const [j, key] of seen.entries())
        blockWeights[block].data[(row * group + (head % group)) * (to - from) + key - from] = weights[j]!;
    }
    return [y, ...blockWeights];
  },
};

/**
 * Causal attention with grouped queries (Ainslie et al. 2023) of whole texts without a cache, for training. q
 * [batch, tokens, heads·d], k and v [batch, tokens, kvHeads·d], already rotated → [batch, tokens, heads·d]. `documents`
 * i64 [batch, tokens] is each token's document in its row; documents do not see each other. `prefix` i64 [batch,
 * tokens] is 1 for tokens of a document's prefix, else 0; prefix tokens see each other in both directions (Raffel et
 * al. 2020, section 3.2.1). `sinks` f32 [heads] if the attributes have `sinks`. Batch and tokens are numbers.
 */
export function causalAttention(
  { q, k, v, sinks, ...rest }: { q: Tensor; k: Tensor; v: Tensor; sinks?: Tensor | undefined } & PerToken<Tensor>,
  attrs: CausalAttrs,
): Tensor {
  const { present, operands } = optionalOperands(rest);
  return apply(causalOp, [q, k, v, ...operands, ...(sinks ? [sinks] : [])], { ...attrs, present })[0]!;
}
