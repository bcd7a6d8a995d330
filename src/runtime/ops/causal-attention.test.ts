import { expect, test } from "vitest";
import { graphCost } from "../../graph/cost.ts";
import { pullback } from "../../graph/gradient.ts";
import { Graph } from "../../graph/graph.ts";
import { causalAttention } from "../../graph/ops/causal-attention.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, error, type Feed, noise } from "../compare.testing.ts";

/** Rows of `tokens` tokens, divided into documents of `length` tokens each. */
function documentsOf(batch: number, tokens: number, length: number): Feed {
  const data = Array.from({ length: batch * tokens }, (_, i) => Math.floor(i / length));
  return { dtype: "i64", shape: [batch, tokens], data };
}

/** A prefix in each document of `length` tokens: the first `share` of its tokens. */
function prefixOf(batch: number, tokens: number, length: number, share: number): Feed {
  const data = Array.from({ length: batch * tokens }, (_, i) => Number((i % tokens) % length < share * length));
  return { dtype: "i64", shape: [batch, tokens], data };
}

// Blocks have 128 queries. The cases have several blocks, a partial last one, and windows within a block and across several.
test.each([
  { batch: 1, tokens: 1 },
  { batch: 2, tokens: 128 },
  { batch: 1, tokens: 300, group: 2 },
  { batch: 1, tokens: 300, window: 1 },
  { batch: 2, tokens: 260, window: 50 },
  { batch: 1, tokens: 400, window: 128 },
  { batch: 1, tokens: 400, window: 201, group: 3, kvHeads: 1 },
  { batch: 1, tokens: 140, softcap: 1.5 },
  { batch: 2, tokens: 270, length: 77, group: 2 },
  { batch: 2, tokens: 7, share: 0.5 },
  { batch: 1, tokens: 140, share: 0.8, group: 2 },
  { batch: 1, tokens: 260, share: 0.6, window: 40 },
  { batch: 1, tokens: 140, share: 1, softcap: 1.5 },
  { batch: 1, tokens: 140, share: 0.7, length: 70 },
  // Heads so wide that attention weights take no more memory than queries, keys and values: the gradient reuses them.
  { batch: 2, tokens: 128, headSize: 64 },
  { batch: 2, tokens: 260, headSize: 96, group: 2 },
  { batch: 1, tokens: 260, headSize: 64, window: 50 },
  { batch: 2, tokens: 140, headSize: 64, length: 77, group: 2 },
  { batch: 1, tokens: 140, headSize: 96, share: 0.7, length: 70 },
  { batch: 2, tokens: 140, group: 2, sinks: 1 },
  { batch: 1, tokens: 300, window: 50, sinks: 1 },
  { batch: 2, tokens: 140, headSize: 64, length: 77, group: 2, sinks: 1 },
])("causal attention over blocks and its gradients: %o", async (c) => {
  const {
    batch,
    tokens,
    group = 1,
    kvHeads = 2,
    length,
    share,
    window,
    softcap,
    sinks: hasSinks,
    headSize = 8,
  } = c as {
    [key in "batch" | "tokens"]: number;
  } & { [key in "group" | "kvHeads" | "length" | "share" | "window" | "softcap" | "sinks" | "headSize"]?: number };
  const sinks = hasSinks ? (true as const) : undefined;
  const attrs = { heads: kvHeads * group, kvHeads, headSize, scale: 0.4, window, softcap, sinks };
  const [wide, narrow] = [attrs.heads, kvHeads].map((heads) => [batch, tokens, heads * headSize]) as [
    number[],
    number[],
  ];
  const outcomes = await compare({
    inputs: {
      q: noise(1, wide),
      k: noise(2, narrow),
      v: noise(3, narrow),
      dy: noise(4, wide),
      ...(length !== undefined && { documents: documentsOf(batch, tokens, length) }),
      ...(share !== undefined && { prefix: prefixOf(batch, tokens, length ?? tokens, share) }),
      ...(sinks && { sinks: noise(5, [attrs.heads]) }),
    },
    trace({ q, k, v, dy, documents, prefix, sinks: own }) {
      const y = causalAttention({ q: q!, k: k!, v: v!, documents, prefix, sinks: own }, attrs);
      const of = [q!, k!, v!, ...(own ? [own] : [])];
      const [dq, dk, dv, dsinks] = pullback([{ of: y, gradient: dy! }], of);
      return { y, dq: dq!, dk: dk!, dv: dv!, ...(dsinks && { dsinks }) };
    },
  });
  const names = tokens === 1 ? ["y", "dv"] : ["y", "dq", "dk", "dv", ...(sinks ? ["dsinks"] : [])];
  for (const name of names)
    if (window !== 1 || !/d[qk]/.test(name)) expect(error(outcomes[name]!), name).toBeLessThan(1e-5);
});

test.each([
  { tokens: 128, products: 8 },
  { tokens: 512, products: 10 },
])("the gradient's cost in rows of $tokens tokens: $products FLOPs a pair and element", ({ tokens, products }) => {
  const g = new Graph();
  const [q, k, v, dy] = ["q", "k", "v", "dy"].map((name) => g.input(name, "f32", [1, tokens, 128])) as [
    ...[Tensor, Tensor, Tensor, Tensor],
  ];
  const y = causalAttention({ q, k, v }, { heads: 2, kvHeads: 2, headSize: 64, scale: 1 });
  const forward = Number(graphCost(g).flops);
  pullback([{ of: y, gradient: dy }], [q, k, v]);
  expect(Number(graphCost(g).flops) / forward).toBe((4 + products) / 4);
});
