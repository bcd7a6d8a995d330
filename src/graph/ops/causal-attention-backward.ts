import { mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import {
  type Block,
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
} from "./causal-blocks.ts";

const backwardOp: Op<OptionalAttrs> = {
  name: "causalAttentionBackward",
  operands: ["q", "k", "v", "y", "dy", "documents", "prefix", "sinks"],
  infer([q, k, v, y, dy, ...rest], attrs) {
    for (const [operand, t] of Object.entries({ y: y!, dy: dy! }))
      if (!sameShape(t.shape, q!.shape))
        throw new ShapeError("causalAttentionBackward", operand, showType(t), showType(q!));
    const sinks = sinksIn(rest, attrs);
    return [q!, k!, v!, ...(sinks ? [sinks] : [])];
  },
  // With p a block's weights and o its output: ds = p·(dy vᵀ − Σ dy·o), summed over a head; then dq = ds k, dk = dsᵀ
  // q, dv = pᵀ dy.
  onnx(emit, { inputs: [q, k, v, y, dy, ...rest], outputs: [dq, dk, dv, dsinks], types }, attrs) {
    const blockWeights = rest.slice(optionalCount(attrs));
    const sinks = sinksIn(rest, attrs);
    const e = new CausalEmitter(emit, types, attrs);
    const [queries, keys, values, gradient] = [e.rows(q!, e.group), e.rows(k!, 1), e.rows(v!, 1), e.rows(dy!, e.group)];
    const perToken = e.layOut(byName(rest, attrs));
    const drift = emitDrift(e, y!, dy!);
    const parts = blocksOf(e.tokens, attrs, perToken.prefix !== undefined).map((block, i) => {
      const [query, key, value] = [e.queries(queries, block), e.keys(keys, block), e.keys(values, block)];
      const scores = blockWeights[i] ?? e.scores(query, keys, block, perToken);
      const weights = blockWeights[i] ?? e.weights(scores, block, sinks);
      const out = e.queries(gradient, block);
      const drifted = e.queries(drift, block);
      const pulled = emit.value("Sub", [e.product(out, value, { transB: true }), drifted]);
      const ds = emitUncapped(e, emit.value("Mul", [weights, pulled]), scores);
      const { scale } = attrs;
      return {
        block,
        dq: e.product(ds, key, { scale }),
        dk: e.product(ds, query, { transA: true, scale }),
        dv: e.product(weights, out, { transA: true }),
        ofSinks: sinks && emitSinkShares(e, weights, drifted),
      };
    });
    if (dsinks !== undefined)
      emitSinks(
        e,
        parts.map((part) => part.ofSinks!),
        dsinks,
      );
    e.merge(e.join(parts.map((part) => part.dq)), e.group, dq!);
    for (const [of, output] of [
      ["dk", dk!],
      ["dv", dv!],
    ] as const)
      e.merge(
        emitSum(
          e,
          parts.map((part) => ({ ...part.block, value: part[of] })),
        ),
        1,
        output,
      );
  },
  // Counts five products per pair, or four if the weights are operands.
  cost: ([q, , , , , ...rest], _outputs, attrs) => ({
    flops: mul(
      (rest.length > optionalCount(attrs) ? 8 : 10) *
        attrs.heads *
        attrs.headSize *
        pairsOf(Number(q!.shape[1]), attrs),
      q!.shape[0]!,
    ),
  }),
  reference([q, k, v, , dy, ...rest], attrs) {
    const [batch, tokens] = q!.shape as [number, number];
    const isSeen = seesBy(byName(rest, attrs), tokens, attrs);
    const { heads, kvHeads, headSize: d, scale, softcap } = attrs;
    const [dq, dk, dv] = [ndarray(q!.shape), ndarray(k!.shape), ndarray(v!.shape)];
    const sinks = sinksIn(rest, attrs);
    const dsinks = ndarray([heads]);
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [head, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const seen = [...Array(tokens).keys()].filter((at) => isSeen(b, t, at));
      const at = (key: number) => ((b * tokens + key) * kvHeads + Math.floor((head * kvHeads) / heads)) * d;
      const dot = (x: Float64Array, from: number, z: Float64Array, start: number) =>
        x.subarray(from, from + d).reduce((sum, value, c) => sum + value * z[start + c]!, 0);
      const plain = seen.map((key) => scale * dot(q!.data, i * d, k!.data, at(key)));
      const scores = plain.map((s) => (softcap === undefined ? s : softcap * Math.tanh(s / softcap)));
      const sink = sinks?.data[head] ?? Number.NEGATIVE_INFINITY;
      const top = Math.max(...scores, sink);
      const exps = scores.map((score) => Math.exp(score - top));
      const norm = exps.reduce((sum, value) => sum + value, Math.exp(sink - top));
      const weights = exps.map((value) => value / norm);
      const pulled = seen.map((key) => dot(dy!.data, i * d, v!.data, at(key)));
      const mean = weights.reduce((sum, w, j) => sum + w * pulled[j]!, 0);
      dsinks.data[head]! -= (Math.exp(sink - top) / norm) * mean;
      for (const [j, key] of seen.entries()) {
        const slope = softcap === undefined ? 1 : 1 - Math.tanh(plain[j]! / softcap) ** 2;
        const ds = weights[j]! * (pulled[j]! - mean) * slope * scale;
        for (let c = 0; c < d; c++) {
          dq.data[i * d + c]! += ds * k!.data[at(key) + c]!;
          dk.data[at(key) + c]! += ds * q!.data[i * d + c]!;
          dv.data[at(key) + c]! += weights[j]! * dy!.data[i * d + c]!;
        }
      }
    }
    return [dq, dk, dv, ...(sinks ? [dsinks] : [])];
  },
};

/** Optional operands before the blocks' weights. */
const optionalCount = ({ present, sinks }: OptionalAttrs): number => present.length + (sinks ? 1 : 0);

/**
 * The sinks' weights in a block's rows, times Σ dy·y. A sink has no value, so the gradient of its score is minus the
 * sum of these products.
 */
function emitSinkShares({ emit }: CausalEmitter, weights: string, drift: string): string {
  const total = emit.value("ReduceSum", [weights, emit.ints([-1])], { keepdims: { int: 1 } });
  return emit.value("Mul", [emit.value("Sub", [emit.floats([1], []), total]), drift]);
}

function emitSinks(e: CausalEmitter, shares: readonly string[], output: string): void {
  const { emit, batch, tokens, group, attrs } = e;
  const apart = emit.value("Reshape", [e.join(shares), emit.ints([batch, attrs.kvHeads, tokens, group])]);
  const sums = emit.value("ReduceSum", [emit.value("Neg", [apart]), emit.ints([0, 2])], { keepdims: { int: 0 } });
  emit.node("Reshape", [sums, emit.ints([attrs.heads])], [output]);
}

/** Σ dy·y of each row of queries, [batch, kvHeads, rows, 1]. */
function emitDrift(e: CausalEmitter, y: string, dy: string): string {
  const { emit, batch, tokens, attrs } = e;
  const apart = emit.ints([batch, tokens, attrs.heads, attrs.headSize]);
  const products = emit.value("Reshape", [emit.value("Mul", [dy, y]), apart]);
  const sums = emit.value("ReduceSum", [products, emit.ints([-1])], { keepdims: { int: 0 } });
  return e.rows(sums, e.group, 1);
}

/** The gradient with respect to the scores before their cap. */
function emitUncapped(e: CausalEmitter, ds: string, capped: string): string {
  const { softcap } = e.attrs;
  if (softcap === undefined) return ds;
  const { emit } = e;
  const share = emit.value("Mul", [capped, emit.floats([1 / softcap], [])]);
  return emit.value("Mul", [ds, emit.value("Sub", [emit.floats([1], []), emit.value("Mul", [share, share])])]);
}

interface Contribution extends Pick<Block, "from" | "to"> {
  readonly value: string;
}

/**
 * Sums each key's gradients over the blocks that see the key, from the last block to the first, so that at each block
 * the sums for later keys are already complete.
 */
function emitSum(e: CausalEmitter, parts: readonly Contribution[]): string {
  const complete: string[] = [];
  const first = parts.toReversed().reduce((later, part) => {
    const slice = (c: Contribution, from: number, to: number) =>
      e.slice(c.value, from - c.from, to - c.from, c.to - c.from);
    if (part.to <= later.from) {
      complete.unshift(later.value);
      return part;
    }
    if (part.to < later.to) complete.unshift(slice(later, part.to, later.to));
    const both = e.emit.value("Add", [slice(part, later.from, part.to), slice(later, later.from, part.to)]);
    const value = part.from < later.from ? e.join([slice(part, part.from, later.from), both]) : both;
    return { ...part, value };
  });
  return e.join([first.value, ...complete]);
}

interface CausalTensors extends PerToken<Tensor> {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly sinks?: Tensor | undefined;
  /** The output of attention. */
  readonly y: Tensor;
  readonly dy: Tensor;
}

/** Gradients of q, k, v and the sinks, given dy, the gradient of y. `weights` are `causalAttention`'s other outputs. */
export function causalAttentionBackward(
  { q, k, v, y, dy, sinks, ...rest }: CausalTensors,
  weights: readonly Tensor[],
  attrs: CausalAttrs,
) {
  const { present, operands } = optionalOperands(rest);
  const inputs = [q, k, v, y, dy, ...operands, ...(sinks ? [sinks] : []), ...weights];
  const [dq, dk, dv, dsinks] = apply(backwardOp, inputs, { ...attrs, present });
  return { dq: dq!, dk: dk!, dv: dv!, dsinks };
}
