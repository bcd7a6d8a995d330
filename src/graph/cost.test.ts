import { expect, test } from "vitest";
import { evalCost, graphCost } from "./cost.ts";
import { sym } from "./dim.ts";
import { Graph } from "./graph.ts";
import { cachedAttention } from "./ops/attention.ts";
import { plus, silu, times } from "./ops/elementwise.ts";
import { linear } from "./ops/matmul.ts";
import { rmsNorm } from "./ops/norm.ts";
import { quantizedLinear } from "./ops/quantized.ts";
import { reshape, split } from "./ops/shape.ts";
import type { Tensor } from "./tensor.ts";

interface LlamaLayer {
  hidden: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  ffn: number;
}

/** One Llama layer, built directly from operators. */
function trace({ hidden, heads, kvHeads, headSize, ffn }: LlamaLayer, blocks: boolean): Graph {
  const g = new Graph();
  const shape = [sym("batch"), sym("tokens")];
  const none = { kind: "memory", bytes: new Uint8Array() } as const;
  const constant = (name: string, dtype: "f32" | "u8", ...dims: number[]) =>
    g.constant(name, { dtype, shape: dims }, none);
  const project = (x: Tensor, name: string, rows: number, cols: number): Tensor => {
    if (!blocks) return linear(x, constant(name, "f32", cols, rows));
    const codes = constant(`${name}.codes`, "u8", rows, cols / 32, 32);
    const scale = constant(`${name}.scale`, "f32", rows, cols / 32);
    const zero = constant(`${name}.zero`, "u8", rows, cols / 32);
    return quantizedLinear(x, { bits: 8, corrected: false, codes, scale, zero });
  };
  const x = g.input("x", "f32", [...shape, hidden]);
  const kv = [sym("batch"), kvHeads, sym("capacity"), headSize];
  const cache = {
    pastKey: g.input("k", "f32", kv),
    pastValue: g.input("v", "f32", kv),
    lengths: g.input("lengths", "i32", [sym("batch")]),
    total: g.input("total", "i32", []),
  };
  const tables = { cos: constant("cos", "f32", 64, headSize / 2), sin: constant("sin", "f32", 64, headSize / 2) };
  const attrs = { heads, kvHeads, headSize, scale: 1, rotary: "half", past: sym("past") } as const;
  const qkv = project(rmsNorm(x, constant("n", "f32", hidden), 1e-5), "qkv", (heads + 2 * kvHeads) * headSize, hidden);
  const { y } = cachedAttention(qkv, cache, tables, attrs);
  const mid = plus(x, project(y, "o", hidden, heads * headSize));
  const gateUp = project(rmsNorm(mid, constant("m", "f32", hidden), 1e-5), "gateUp", 2 * ffn, hidden);
  const [gate, up] = split(gateUp, 2, [ffn, ffn]);
  g.output("y", plus(mid, project(times(silu(gate!), up!), "down", hidden, ffn)));
  return g;
}

const parameters = (l: LlamaLayer): number =>
  l.hidden * (l.heads + 2 * l.kvHeads) * l.headSize + l.heads * l.headSize * l.hidden + 3 * l.hidden * l.ffn;

/** 4·heads·d for each visible query–key pair: q·k and the weighted sum of v, a multiply and an add each. */
function attentionFlops(l: LlamaLayer, tokens: number, past: number): number {
  let flops = 0;
  for (let i = 0; i < tokens; i++) flops += 4 * l.heads * l.headSize * (past + i + 1);
  return flops;
}

const layers: LlamaLayer[] = [
  { hidden: 576, heads: 9, kvHeads: 3, headSize: 64, ffn: 1536 },
  { hidden: 64, heads: 8, kvHeads: 1, headSize: 16, ffn: 96 },
  { hidden: 2048, heads: 32, kvHeads: 4, headSize: 64, ffn: 5632 },
];
const lengths = [
  { tokens: 1, past: 0 },
  { tokens: 1, past: 4095 },
  { tokens: 37, past: 0 },
  { tokens: 512, past: 1024 },
];

test.each(layers)("a Llama layer, hidden $hidden: FLOPs equal 2·parameters·tokens + 4·heads·d·Σ(past+i+1)", (layer) => {
  for (const blocks of [false, true]) {
    const cost = graphCost(trace(layer, blocks));
    for (const { tokens, past } of lengths)
      for (const batch of [1, 3]) {
        const expected = batch * (2 * parameters(layer) * tokens + attentionFlops(layer, tokens, past));
        const { flops } = evalCost(cost, { batch, tokens, past, capacity: 8192 });
        expect(Math.abs(flops / expected - 1)).toBeLessThan(1e-9);
      }
  }
});

test("bytes: every weight is read once a run, whatever the tokens; the cache only as far as it is filled", () => {
  const layer = layers[0]!;
  const cost = graphCost(trace(layer, false));
  const bytes = (tokens: number, past: number) => evalCost(cost, { batch: 1, tokens, past, capacity: 8192 }).bytes;
  const weights = 4 * parameters(layer);
  expect(bytes(1, 0)).toBeGreaterThan(weights);
  expect(bytes(1, 0)).toBeLessThan(1.02 * weights);
  expect(bytes(1, 1000) - bytes(1, 0)).toBe(1000 * 2 * 4 * layer.kvHeads * layer.headSize);
  const capacity = (c: number) => evalCost(cost, { batch: 1, tokens: 1, past: 0, capacity: c }).bytes;
  expect(capacity(128)).toBe(capacity(8192));
});

test("an operator without a cost rule reads its inputs and writes its outputs once; a reshape moves nothing", () => {
  const g = new Graph();
  const x = g.input("x", "f32", [sym("tokens"), 6]);
  plus(x, g.input("b", "f32", [6]));
  expect(evalCost(graphCost(g), { tokens: 5 })).toEqual({ flops: 0, bytes: 4 * (30 + 6 + 30) });
  const h = new Graph();
  reshape(h.input("x", "f32", [6]), [2, 3]);
  expect(evalCost(graphCost(h), {})).toEqual({ flops: 0, bytes: 0 });
});

test("a graph of nothing costs nothing", () => {
  expect(evalCost(graphCost(new Graph()), {})).toEqual({ flops: 0, bytes: 0 });
});
