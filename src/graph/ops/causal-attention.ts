import { mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { attend } from "./attention.ts";
import { causalAttentionBackward } from "./causal-attention-backward.ts";
import { blocksOf, type CausalAttrs, CausalEmitter, pairsSeen, sees } from "./causal-blocks.ts";

const causalOp: Op<CausalAttrs> = {
  name: "causalAttention",
  operands: ["q", "k", "v", "documents"],
  infer([q, k, v, documents], { heads, kvHeads, headSize }) {
    const [batch, tokens] = q!.shape;
    if (q!.shape.length !== 3 || q!.shape[2] !== heads * headSize)
      throw new ShapeError("causalAttention", "q", showType(q!), `[batch, tokens, ${heads * headSize}]`);
    if (typeof batch !== "number" || typeof tokens !== "number")
      throw new ShapeError("causalAttention", "q", showType(q!), "numbers for batch and tokens");
    for (const [operand, t] of Object.entries({ k: k!, v: v! }))
      if (!sameShape(t.shape, [batch, tokens, kvHeads * headSize]))
        throw new ShapeError("causalAttention", operand, showType(t), `[${batch}, ${tokens}, ${kvHeads * headSize}]`);
    if (documents && (documents.dtype !== "i64" || !sameShape(documents.shape, [batch, tokens])))
      throw new ShapeError("causalAttention", "documents", showType(documents), `i64[${batch}, ${tokens}]`);
    return [q!];
  },
  onnx(emit, { inputs: [q, k, v, documents], outputs: [y], types }, attrs) {
    const e = new CausalEmitter(emit, types, attrs);
    const [queries, keys, values] = [e.rows(q!, e.group), e.rows(k!, 1), e.rows(v!, 1)];
    const told = documents === undefined ? undefined : e.documents(documents);
    const parts = blocksOf(e.tokens, attrs).map((block) => {
      const scores = e.scores(e.queries(queries, block), keys, block, told);
      const weights = emit.value("Softmax", [scores], { axis: { int: -1 } });
      return emit.value("MatMul", [weights, e.keys(values, block)]);
    });
    e.merge(e.join(parts), e.group, y!);
  },
  gradient({ inputs: [q, k, v, documents], outputs: [y], given: [dy], attrs }) {
    const { dq, dk, dv } = causalAttentionBackward({ q: q!, k: k!, v: v!, y: y!, dy: dy!, documents }, attrs);
    return [dq, dk, dv];
  },
  cost: ([q], _outputs, attrs) => ({
    flops: mul(4 * attrs.heads * attrs.headSize * pairsSeen(Number(q!.shape[1]), attrs), q!.shape[0]!),
  }),
  reference([q, k, v, documents], attrs) {
    const [batch, tokens] = q!.shape as [number, number];
    const { heads, kvHeads, headSize, scale, softcap } = attrs;
    const y = ndarray(q!.shape);
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [head, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const document = (at: number) => documents?.data[b * tokens + at];
      const seen = [...Array(tokens).keys()].filter((at) => sees(t, at, attrs) && document(at) === document(t));
      const at = (index: number) =>
        ((b * tokens + seen[index]!) * kvHeads + Math.floor((head * kvHeads) / heads)) * headSize;
      const query = q!.data.subarray(i * headSize, (i + 1) * headSize);
      y.data.set(attend(query, k!.data, v!.data, at, seen.length, scale, softcap), i * headSize);
    }
    return [y];
  },
};

/**
 * Causal attention of whole texts without a cache, grouped queries (Ainslie et al. 2023): the form for training. q
 * [batch, tokens, heads·d], k and v [batch, tokens, kvHeads·d], already rotated → [batch, tokens, heads·d]. `documents`
 * i64 [batch, tokens] is each token's document in its row; documents do not see each other. Batch and tokens are
 * numbers.
 */
export const causalAttention = (
  { q, k, v, documents }: { q: Tensor; k: Tensor; v: Tensor; documents?: Tensor | undefined },
  attrs: CausalAttrs,
): Tensor => apply1(causalOp, [q, k, v, ...(documents ? [documents] : [])], attrs);
