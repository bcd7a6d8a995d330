import { describe, expect, test } from "vitest";
import { graphCost } from "../../graph/cost.ts";
import { evalDim, sym } from "../../graph/dim.ts";
import { causalConv, causalConvWithState } from "../../graph/ops/causal-conv.ts";
import { cumSum, lower, segmentSums } from "../../graph/ops/cumulative.ts";
import { gatedDelta, gatedLinearAttention } from "../../graph/ops/linear-attention.ts";
import { tanhRecurrence } from "../../graph/ops/tanh-recurrence.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type Feed, graphOf, noise, type Trial, worst } from "../compare.testing.ts";

const [batch, tokens] = [sym("batch"), sym("tokens")];
const t = (tensors: Readonly<Record<string, Tensor>>, ...names: string[]) => names.map((name) => tensors[name]!);

describe.each([1, 2, 3, 9])("a convolution with a state, %d tokens", (length) => {
  const bindings = { batch: 2, tokens: length };
  const inputOf = (channels: number) => ({ x: noise(1, [2, length, channels], [batch, tokens, channels]) });
  const filtersOf = (channels: number, width: number) => ({
    weight: noise(2, [channels, 1, width]),
    bias: noise(3, [channels]),
  });

  // With 16 channels and constant weights, the convolution is compiled in blocks of channels.
  const forms = [5, 16, 48].flatMap((channels) =>
    [2, 4].flatMap((width) => [true, false].map((constant) => ({ channels, width, constant }))),
  );
  test.each(forms)("of $channels channels, $width tokens each, constant: $constant", async (form) => {
    const { channels, width, constant } = form;
    const state = noise(4, [2, width - 1, channels], [batch, width - 1, channels]);
    const filters = filtersOf(channels, width);
    const trace: Trial["trace"] = (tensors) => {
      const [x, weight, bias, before] = t(tensors, "x", "weight", "bias", "state") as [Tensor, Tensor, Tensor, Tensor];
      const { y, state: next } = causalConvWithState(x, weight, bias, before);
      return { y, next };
    };
    const unbiased: Trial["trace"] = (tensors) => {
      const [x, weight, before] = t(tensors, "x", "weight", "state") as [Tensor, Tensor, Tensor];
      const { y, state: next } = causalConvWithState(x, weight, undefined, before);
      return { y, next };
    };
    const inputs = { ...inputOf(channels), state, ...(!constant && filters) };
    const constants = constant ? filters : {};
    for (const each of [trace, unbiased])
      expect(await worst({ inputs, constants, bindings, trace: each })).toBeLessThan(1e-6);
  });

  test.each([1, 4])("of %d tokens each, zeros before the first", async (width) => {
    const { weight } = filtersOf(5, width);
    const trace: Trial["trace"] = (of) => ({ y: causalConv(of["x"]!, of["weight"]!) });
    expect(await worst({ inputs: { ...inputOf(5), weight }, bindings, trace })).toBeLessThan(1e-6);
  });
});

test.each([
  { length: 1, heads: 4, groups: 2 },
  { length: 70, heads: 4, groups: 4 },
  { length: 9, heads: 6, groups: 2 },
])("the gated delta rule: $length tokens, $heads heads that share $groups keys", async ({ length, heads, groups }) => {
  const [n, size] = [3, 5];
  const wide = (seed: number, width: number): Feed => noise(seed, [2, length, width], [batch, tokens, width]);
  const mapped = (feed: Feed, of: (v: number) => number): Feed => ({ ...feed, data: Float32Array.from(feed.data, of) });
  const inputs = {
    q: wide(1, groups * n),
    k: wide(2, groups * n),
    v: wide(3, heads * size),
    decay: mapped(wide(4, heads), (v) => -Math.exp(v)),
    beta: mapped(wide(6, heads), (v) => 1 / (1 + Math.exp(-v))),
    state: noise(5, [2, heads, n, size], [batch, heads, n, size]),
  };
  const trace: Trial["trace"] = (of) => {
    const { q, k, v, state, decay, beta } = of as Record<string, Tensor>;
    const { y, state: next } = gatedDelta(
      { q: q!, k: k!, v: v!, state: state!, decay: decay!, beta: beta! },
      { heads, groups },
    );
    return { y, next };
  };
  expect(await worst({ inputs, bindings: { batch: 2, tokens: length }, trace })).toBeLessThan(1e-5);
});

/** Heads of width `size`; heads of one group share keys of width `n`. */
function attention({ rows = 2, length = 5, heads = 4, groups = 2, n = 3, size = 2 }) {
  const wide = (seed: number, width: number): Feed => noise(seed, [rows, length, width], [batch, tokens, width]);
  const decay = wide(4, heads);
  const inputs = {
    q: wide(1, groups * n),
    k: wide(2, groups * n),
    v: wide(3, heads * size),
    decay: { ...decay, data: Float32Array.from(decay.data, (v) => -Math.exp(2 * v)) },
    state: noise(5, [rows, heads, n, size], [batch, heads, n, size]),
  };
  const trace: Trial["trace"] = (tensors) => {
    const { q, k, v, state, decay } = tensors as Record<string, Tensor>;
    const { y, state: next } = gatedLinearAttention(
      { q: q!, k: k!, v: v!, state: state!, decay: decay! },
      { heads, groups },
    );
    return { y, next };
  };
  return { inputs, bindings: { batch: rows, tokens: length }, trace };
}

test.each([
  { length: 1 },
  { length: 70 },
  { heads: 1, groups: 1, rows: 1 },
  { heads: 6, groups: 3, n: 16, size: 32 },
  { groups: 4 },
  { size: 1, n: 1 },
])("linear attention with a decay: %o", async (of) => {
  expect(await worst(attention(of))).toBeLessThan(2e-6);
});

test("its cost is five FLOPs for each number of the state and token", () => {
  const { flops } = graphCost(graphOf(attention({})));
  expect(evalDim(flops, { batch: 2, tokens: 7 })).toBe(5 * 2 * 7 * 4 * 3 * 2);
});

test("a convolution's cost is a multiply and an add for each element of the kernel and token", () => {
  const inputs = { x: noise(1, [2, 6, 5]), weight: noise(2, [5, 1, 4]) };
  const { flops } = graphCost(graphOf({ inputs, trace: (of) => ({ y: causalConv(of["x"]!, of["weight"]!) }) }));
  expect(flops).toBe(2 * 2 * 6 * 5 * 4);
});

/** A recurrent network of 3 units. */
function network(length: number) {
  const inputs = {
    u: noise(1, [2, length, 3], [batch, tokens, 3]),
    weight: noise(2, [3, 3]),
    state: noise(3, [2, 3], [batch, 3]),
  };
  const trace: Trial["trace"] = (of) => {
    const { h, state } = tanhRecurrence(of["u"]!, of["weight"]!, of["state"]!);
    return { h, next: state };
  };
  return { inputs, bindings: { batch: 2, tokens: length }, trace };
}

test.each([1, 2, 9])("a recurrence with tanh, %d tokens", async (length) => {
  expect(await worst(network(length))).toBeLessThan(1e-6);
});

test("its cost is that of two products of a token and a matrix: the kernel also has one for the input", () => {
  expect(evalDim(graphCost(graphOf(network(5))).flops, { batch: 2, tokens: 5 })).toBe(2 * 2 * 5 * 2 * 3 * 3);
});

test("operands that do not fit are named", () => {
  const refuse = (inputs: Record<string, Feed>, trace: Trial["trace"], message: string) =>
    expect(() => graphOf({ inputs, trace })).toThrow(message);
  const { inputs, trace } = attention({});
  refuse({ ...inputs, k: noise(2, [2, 5, 5]) }, trace, 'operand "k" is f32[2, 5, 5], expected [batch, tokens, 6]');
  refuse({ ...inputs, state: noise(2, [2, 4, 2, 2]) }, trace, 'operand "state" is f32[2, 4, 2, 2]');
  refuse({ ...inputs, decay: noise(2, [2, 5, 3]) }, trace, 'operand "decay" is f32[2, 5, 3]');
  const { inputs: units, trace: recurrence } = network(5);
  refuse({ ...units, weight: noise(2, [3, 2]) }, recurrence, 'operand "weight" is f32[3, 2], expected [3, 3]');
  refuse({ ...units, state: noise(3, [2, 2]) }, recurrence, 'operand "state" is f32[2, 2], expected [batch, 3]');
  const conv: Trial["trace"] = (of) => ({ y: causalConv(of["x"]!, of["weight"]!, of["bias"]!) });
  const own = { x: noise(1, [2, 6, 5]), weight: noise(2, [5, 1, 4]), bias: noise(3, [5]) };
  refuse({ ...own, weight: noise(2, [4, 1, 4]) }, conv, 'operand "weight" is f32[4, 1, 4], expected [5, 1, width]');
  refuse({ ...own, bias: noise(2, [4]) }, conv, 'operand "bias" is f32[4], expected [5]');
  refuse({ x: noise(1, [5]) }, (of) => ({ y: cumSum(of["x"]!, 1) }), "expected at least 2 dimensions");
  refuse({ x: noise(1, [5]) }, (of) => ({ y: lower(of["x"]!) }), "expected at least 2 dimensions");
  const moving = noise(1, [2, 5], [2, tokens]);
  refuse({ x: moving }, (of) => ({ y: segmentSums(of["x"]!) }), "expected a known last dimension");
});
