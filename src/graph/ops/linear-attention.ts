import { type Dim, mul, sameShape } from "../dim.ts";
import type { Graph, Node } from "../graph.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

interface Heads {
  /** The number of heads of values, states and results. */
  readonly heads: number;
  /** The number of heads of queries and keys; each serves an equal number of consecutive heads. */
  readonly groups: number;
}

/** Widths of a head's keys and values. */
function widths(
  k: Pick<TensorType, "shape">,
  v: Pick<TensorType, "shape">,
  { heads, groups }: Heads,
): [key: number, value: number] {
  return [Number(k.shape[2]) / groups, Number(v.shape[2]) / heads];
}

const gatedOp: Op<Heads> = {
  name: "gatedLinearAttention",
  operands: ["q", "k", "v", "state", "decay"],
  trainedAs: "chunkedScan",
  infer([q, k, v, state, decay], attrs) {
    const { heads } = attrs;
    const [key, value] = widths(k!, v!, attrs);
    const [batch, tokens] = v!.shape as [Dim, Dim];
    const check = (operand: string, got: TensorType, shape: readonly Dim[]) => {
      if (!sameShape(got.shape, shape))
        throw new ShapeError("gatedLinearAttention", operand, showType(got), `[${shape.join(", ")}]`);
    };
    check("k", k!, [batch, tokens, attrs.groups * Math.ceil(key)]);
    check("v", v!, [batch, tokens, heads * Math.ceil(value)]);
    check("q", q!, k!.shape);
    check("state", state!, [batch, heads, key, value]);
    const perKey = sameShape(decay!.shape.slice(2), [heads * key]);
    check("decay", decay!, [batch, tokens, perKey ? heads * key : heads]);
    return [v!, state!];
  },
  onnx: (emit, { inputs, outputs }, { heads, groups }) =>
    emit.contrib("LinearAttention", inputs, outputs, {
      q_num_heads: { int: groups },
      kv_num_heads: { int: heads },
      update_rule: { string: "gated" },
      scale: { float: 1 },
    }),
  // FLOPs of a token per element of the state: 1 to decay it, 2 to add to it, and 2 to read it.
  cost: ([, k, v], _outputs, attrs) => ({
    flops: mul(5, v!.shape[0]!, v!.shape[1]!, attrs.heads, ...widths(k!, v!, attrs)),
  }),
  reference([q, k, v, state, decay], attrs) {
    const { heads, groups } = attrs;
    const [key, value] = widths(k!, v!, attrs);
    const [batch, tokens] = v!.shape as [number, number];
    const [y, next] = [ndarray(v!.shape), ndarray(state!.shape, state!.data)];
    const perHead = decay!.shape[2]! / heads;
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < tokens; t++)
        for (let h = 0; h < heads; h++) {
          const at = b * tokens + t;
          const shared = (at * groups + Math.floor((h * groups) / heads)) * key;
          for (let n = 0; n < key; n++) {
            const keep = Math.exp(decay!.data[(at * heads + h) * perHead + (n % perHead)]!);
            for (let p = 0; p < value; p++) {
              const own = (at * heads + h) * value + p;
              const s = ((b * heads + h) * key + n) * value + p;
              next.data[s] = keep * next.data[s]! + k!.data[shared + n]! * v!.data[own]!;
              y.data[own]! += q!.data[shared + n]! * next.data[s]!;
            }
          }
        }
    return [y, next];
  },
};

/**
 * Linear attention with a decay (Yang et al. 2023), token by token: S ← e^decay · S + k vᵀ, y = Sᵀ q. q and k [batch,
 * tokens, groups · n], v [batch, tokens, heads · d], decay [batch, tokens, heads], or [batch, tokens, heads · n] with
 * one decay per row of S, state [batch, heads, n, d] → y in the shape of v, and the state after the last token.
 * @throws ShapeError
 */
export function gatedLinearAttention(
  { q, k, v, state, decay }: Readonly<Record<"q" | "k" | "v" | "state" | "decay", Tensor>>,
  heads: Heads,
): { readonly y: Tensor; readonly state: Tensor } {
  const [y, next] = apply(gatedOp, [q, k, v, state, decay], heads);
  return { y: y!, state: next! };
}

/** The index of the decay among the operands of linear attention. */
export const DECAY = 4;

/** A graph's linear attention nodes, in order; each has the operands q, k, v, state and decay. */
export const gatedScans = ({ nodes }: Graph): readonly Node[] => nodes.filter(isGatedScan);

export const isGatedScan = ({ op }: Node): boolean => op === (gatedOp as Op<unknown>);

const deltaOp: Op<Heads> = {
  name: "gatedDelta",
  operands: ["q", "k", "v", "state", "decay", "beta"],
  infer([q, k, v, state, decay, beta], attrs) {
    const { heads, groups } = attrs;
    const [key, value] = widths(k!, v!, attrs);
    const [batch, tokens] = v!.shape as [Dim, Dim];
    const check = (operand: string, got: TensorType, shape: readonly Dim[]) => {
      if (!sameShape(got.shape, shape))
        throw new ShapeError("gatedDelta", operand, showType(got), `[${shape.join(", ")}]`);
    };
    check("k", k!, [batch, tokens, groups * Math.ceil(key)]);
    check("v", v!, [batch, tokens, heads * Math.ceil(value)]);
    check("q", q!, k!.shape);
    check("state", state!, [batch, heads, key, value]);
    check("decay", decay!, [batch, tokens, heads]);
    check("beta", beta!, [batch, tokens, heads]);
    return [v!, state!];
  },
  onnx: (emit, { inputs, outputs }, { heads, groups }) =>
    emit.contrib("LinearAttention", inputs, outputs, {
      q_num_heads: { int: groups },
      kv_num_heads: { int: heads },
      update_rule: { string: "gated_delta" },
      scale: { float: 1 },
    }),
  // FLOPs of a token per element of the state: 1 to decay it, 2 to read it, 2 to add to it, and 2 to read it again.
  cost: ([, k, v], _outputs, attrs) => ({
    flops: mul(7, v!.shape[0]!, v!.shape[1]!, attrs.heads, ...widths(k!, v!, attrs)),
  }),
  reference([q, k, v, state, decay, beta], attrs) {
    const { heads, groups } = attrs;
    const [key, value] = widths(k!, v!, attrs);
    const [batch, tokens] = v!.shape as [number, number];
    const [y, next] = [ndarray(v!.shape), ndarray(state!.shape, state!.data)];
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < tokens; t++)
        for (let h = 0; h < heads; h++) {
          const at = b * tokens + t;
          const shared = (at * groups + Math.floor((h * groups) / heads)) * key;
          const keep = Math.exp(decay!.data[at * heads + h]!);
          for (let p = 0; p < value; p++) {
            const own = (at * heads + h) * value + p;
            const place = (n: number) => ((b * heads + h) * key + n) * value + p;
            let known = 0;
            for (let n = 0; n < key; n++) known += keep * next.data[place(n)]! * k!.data[shared + n]!;
            const change = beta!.data[at * heads + h]! * (v!.data[own]! - known);
            for (let n = 0; n < key; n++) {
              const s = place(n);
              next.data[s] = keep * next.data[s]! + k!.data[shared + n]! * change;
              y.data[own]! += q!.data[shared + n]! * next.data[s]!;
            }
          }
        }
    return [y, next];
  },
};

/**
 * The gated delta rule (Yang et al. 2024), token by token: S ← e^decay · S, then S ← S + k β (v − Sᵀ k)ᵀ, y = Sᵀ q. Shapes as in
 * `gatedLinearAttention`, with decay and beta [batch, tokens, heads].
 * @throws ShapeError
 */
export function gatedDelta(
  { q, k, v, state, decay, beta }: Readonly<Record<"q" | "k" | "v" | "state" | "decay" | "beta", Tensor>>,
  heads: Heads,
): { readonly y: Tensor; readonly state: Tensor } {
  const [y, next] = apply(deltaOp, [q, k, v, state, decay, beta], heads);
  return { y: y!, state: next! };
}
