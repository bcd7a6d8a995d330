import { type Dim, mul, sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

export interface EncoderAttentionAttrs {
  readonly heads: number;
  /** Softmax scale, usually 1/√headSize. */
  readonly scale: number;
  /** A query sees keys within this distance on either side; all if absent. */
  readonly reach?: number | undefined;
  /** True if a query sees no key after it. */
  readonly causal?: boolean | undefined;
}

/** True if a query may see a key, apart from padding. */
export const sees = (
  { reach = Number.POSITIVE_INFINITY, causal = false }: EncoderAttentionAttrs,
  query: number,
  key: number,
): boolean => Math.abs(key - query) <= reach && !(causal && key > query);

/**
 * The score of padding and of keys out of reach: far below any other, but finite, so that a row in which all keys are
 * hidden does not give NaN.
 */
export const MASKED = -1e9;

/**
 * A term added to the scores [batch, heads, tokens, tokens] of q [batch, tokens, width]: it hides keys out of reach
 * or after their query; undefined if every query sees all keys.
 */
export function emitHidden(emit: Emitter, q: string, { reach, causal }: EncoderAttentionAttrs): string | undefined {
  if (reach === undefined && !causal) return undefined;
  const tokens = emit.value("Gather", [emit.value("Shape", [q]), emit.ints([1], [])]);
  const steps = emit.value("Range", [emit.ints([0], []), tokens, emit.ints([1], [])]);
  const apart = emit.value("Sub", [emit.value("Unsqueeze", [steps, emit.ints([1])]), steps]);
  const hidden = [
    ...(reach === undefined ? [] : [emit.value("Greater", [emit.value("Abs", [apart]), emit.ints([reach], [])])]),
    ...(causal ? [emit.value("Less", [apart, emit.ints([0], [])])] : []),
  ].reduce((a, b) => emit.value("Or", [a, b]));
  const flat = emit.value("Where", [hidden, emit.floats([MASKED], []), emit.floats([0], [])]);
  return emit.value("Unsqueeze", [flat, emit.ints([0, 1])]);
}

const backwardOp: Op<EncoderAttentionAttrs> = {
  name: "encoderAttentionBackward",
  operands: ["q", "k", "v", "mask", "y", "dy", "bias"],
  infer([q, k, v, , y, dy, bias]) {
    for (const [operand, t] of Object.entries({ y: y!, dy: dy! }))
      if (!sameShape(t.shape, q!.shape))
        throw new ShapeError("encoderAttentionBackward", operand, showType(t), showType(q!));
    return [q!, k!, v!, ...(bias ? [bias] : [])];
  },
  // With p the weights: ds = p·(dy vᵀ − Σ dy·y, the sum over a head); then dq = ds k, dk = dsᵀ q, dv = pᵀ dy. All texts
  // share the bias, so its gradient is the sum of their ds.
  onnx(emit, { inputs: [q, k, v, mask, y, dy, bias], outputs: [dq, dk, dv, dbias], types }, attrs) {
    const { heads, scale } = attrs;
    const width = Number(types[0]!.shape[2]);
    const apart = (x: string) => emit.value("Reshape", [x, emit.ints([0, 0, heads, width / heads])]);
    const turned = { perm: { ints: [0, 2, 1, 3] } };
    const byHead = (x: string) => emit.value("Transpose", [apart(x)], turned);
    const merge = (x: string, output: string) =>
      emit.node("Reshape", [emit.value("Transpose", [x], turned), emit.ints([0, 0, width])], [output]);
    const product = (a: string, b: string, how: { transA?: number; transB?: number; alpha?: number }) => {
      const result = emit.temp();
      const { transA = 0, transB = 0, alpha = 1 } = how;
      const all = { transA: { int: transA }, transB: { int: transB }, alpha: { float: alpha } };
      emit.contrib("FusedMatMul", [a, b], [result], all);
      return result;
    };
    const [queries, keys, values, gradient] = [q!, k!, v!, dy!].map(byHead) as [string, string, string, string];
    const hidden = emit.value("Where", [
      emit.value("Cast", [emit.value("Unsqueeze", [mask!, emit.ints([1, 2])])], { to: { int: 9 } }),
      emit.floats([0], []),
      emit.floats([MASKED], []),
    ]);
    const masked = emit.value("Add", [product(queries, keys, { transB: 1, alpha: scale }), hidden]);
    const added = bias ?? emitHidden(emit, q!, attrs);
    const scores = added === undefined ? masked : emit.value("Add", [masked, added]);
    const weights = emit.value("Softmax", [scores], { axis: { int: -1 } });
    const sums = emit.value("ReduceSum", [apart(emit.value("Mul", [dy!, y!])), emit.ints([-1])]);
    const drift = emit.value("Transpose", [sums], turned);
    const pulled = emit.value("Sub", [product(gradient, values, { transB: 1 }), drift]);
    const ds = emit.value("Mul", [weights, pulled]);
    merge(product(ds, keys, { alpha: scale }), dq!);
    merge(product(ds, queries, { transA: 1, alpha: scale }), dk!);
    merge(product(weights, gradient, { transA: 1 }), dv!);
    if (dbias !== undefined) emit.node("ReduceSum", [ds, emit.ints([0])], [dbias]);
  },
  cost([q]) {
    const [batch, tokens, width] = q!.shape as [Dim, Dim, Dim];
    return { flops: mul(10, batch, tokens, tokens, width) };
  },
  reference([q, k, v, mask, , dy, bias], attrs) {
    const { heads, scale } = attrs;
    const [batch, tokens, width] = q!.shape as [number, number, number];
    const d = width / heads;
    const [dq, dk, dv] = [ndarray(q!.shape), ndarray(q!.shape), ndarray(q!.shape)];
    const dbias = bias && ndarray(bias.shape);
    for (let i = 0; i < batch * tokens * heads; i++) {
      const [head, t, b] = [i % heads, Math.floor(i / heads) % tokens, Math.floor(i / heads / tokens)];
      const seen = [...Array(tokens).keys()].filter((key) => mask!.data[b * tokens + key] !== 0 && sees(attrs, t, key));
      const at = (key: number) => (b * tokens + key) * width + head * d;
      const dot = (x: Float64Array, z: Float64Array, key: number) =>
        x.subarray(i * d, (i + 1) * d).reduce((sum, value, c) => sum + value * z[at(key) + c]!, 0);
      const place = (key: number) => (head * tokens + t) * tokens + key;
      const exps = seen.map((key) => Math.exp(scale * dot(q!.data, k!.data, key) + (bias?.data[place(key)] ?? 0)));
      const norm = exps.reduce((sum, value) => sum + value, 0);
      const pulled = seen.map((key) => dot(dy!.data, v!.data, key));
      const mean = exps.reduce((sum, value, j) => sum + (value / norm) * pulled[j]!, 0);
      for (const [j, key] of seen.entries()) {
        const weight = exps[j]! / norm;
        const ds = weight * (pulled[j]! - mean) * scale;
        if (dbias) dbias.data[place(key)]! += ds / scale;
        for (let c = 0; c < d; c++) {
          dq.data[i * d + c]! += ds * k!.data[at(key) + c]!;
          dk.data[at(key) + c]! += ds * q!.data[i * d + c]!;
          dv.data[at(key) + c]! += weight * dy!.data[i * d + c]!;
        }
      }
    }
    return [dq, dk, dv, ...(dbias ? [dbias] : [])];
  },
};

interface EncoderTensors {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor;
  /** The output of attention. */
  readonly y: Tensor;
  readonly dy: Tensor;
  readonly bias: Tensor | undefined;
}

/** Gradients of q, k, v and a bias, given dy, the gradient of y = `encoderAttention`. */
export function encoderAttentionBackward({ q, k, v, mask, y, dy, bias }: EncoderTensors, attrs: EncoderAttentionAttrs) {
  const [dq, dk, dv, dbias] = apply(backwardOp, [q, k, v, mask, y, dy, ...(bias ? [bias] : [])], attrs);
  return { dq: dq!, dk: dk!, dv: dv!, dbias };
}
