import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { columns, encoderAttention } from "../../graph/ops/encoder.ts";
import { pool, poolings, unit } from "../../graph/ops/pool.ts";
import { Unpadding } from "../../nn/unpad.ts";
import { compare, error, type Feed, integers, noise, worst } from "../compare.testing.ts";

/** Texts of these lengths, padded to the longest. */
function masked(lengths: readonly number[], width: number): { tokens: number; mask: Feed; x: (seed: number) => Feed } {
  const tokens = Math.max(...lengths);
  const data = lengths.flatMap((n) => Array.from({ length: tokens }, (_, t) => (t < n ? 1 : 0)));
  const [batch, symbols] = [lengths.length, [sym("batch"), sym("tokens")]];
  return {
    tokens,
    mask: { dtype: "i32", shape: [batch, tokens], data, symbolic: symbols },
    x: (seed) => noise(seed, [batch, tokens, width], [...symbols, width]),
  };
}

const batches = [[1], [9], [5, 12], [33, 1, 17]];

describe.each(batches.map((lengths) => ({ lengths })))("texts of $lengths tokens", ({ lengths }) => {
  const { tokens, mask, x } = masked(lengths, 48);
  const bindings = { batch: lengths.length, tokens };

  const limits = [undefined, 1, 4, 40].flatMap((reach) => [false, true].map((causal) => ({ reach, causal })));
  test.each(limits)("encoderAttention, reach $reach, causal $causal", async (limit) => {
    const inputs = { q: x(1), k: x(2), v: x(3), mask };
    const { y } = await compare({
      inputs,
      bindings,
      trace: (t) => ({ y: encoderAttention(t.q!, t.k!, t.v!, t.mask!, { heads: 3, scale: 0.3, ...limit }) }),
    });
    // Padding rows are not compared.
    const keep = (_: number, i: number) => mask.data[Math.floor(i / 48)] !== 0;
    const gathered = { shape: [0], data: y!.got.data.filter(keep) };
    expect(gathered.data.length).toBe(lengths.reduce((a, b) => a + b) * 48);
    expect(error({ got: gathered, expected: { shape: [0], data: y!.expected.data.filter(keep) } })).toBeLessThan(1e-5);
  });

  test("encoderAttention with a bias", async () => {
    const bias = noise(4, [1, 3, tokens, tokens], [1, 3, sym("tokens"), sym("tokens")]);
    const { y } = await compare({
      inputs: { q: x(1), k: x(2), v: x(3), mask, bias },
      bindings,
      trace: (t) => ({ y: encoderAttention(t.q!, t.k!, t.v!, t.mask!, { heads: 3, scale: 0.3 }, t.bias!) }),
    });
    const keep = (_: number, i: number) => mask.data[Math.floor(i / 48)] !== 0;
    const [got, expected] = [y!.got.data.filter(keep), y!.expected.data.filter(keep)];
    expect(error({ got: { shape: [0], data: got }, expected: { shape: [0], data: expected } })).toBeLessThan(1e-5);
  });

  test("unpadded, rows are the tokens; padded again, each token is where it was", async () => {
    const trace = (t: Parameters<Parameters<typeof compare>[0]["trace"]>[0]) => {
      const padding = new Unpadding(t.mask!);
      const rows = padding.unpad(t.x!);
      return { rows, again: padding.pad(rows) };
    };
    const kept = lengths.reduce((a, b) => a + b);
    const input = x(1);
    const { rows, again } = await compare({ inputs: { x: input, mask }, bindings: { ...bindings, kept }, trace });
    const isToken = (_: number, i: number) => mask.data[Math.floor(i / 48)] !== 0;
    const tokenValues = Array.from(input.data).filter(isToken);
    expect([...rows!.got.data]).toEqual(tokenValues);
    expect([...rows!.expected.data]).toEqual(tokenValues);
    expect([...again!.got.data].filter(isToken)).toEqual(tokenValues);
    expect([...again!.expected.data]).toEqual([...again!.got.data]);
  });

  test.each(poolings)("pool: %s, then unit", async (pooling) => {
    const trace = (t: Parameters<Parameters<typeof compare>[0]["trace"]>[0]) => {
      const pooled = pool(t.x!, t.mask!, pooling);
      return { pooled, unit: unit(pooled) };
    };
    expect(await worst({ inputs: { x: x(1), mask }, bindings, trace })).toBeLessThan(2e-6);
  });
});

test("unit of zeros is zeros", async () => {
  const inputs = { x: { ...noise(1, [2, 4]), data: new Float32Array(8) } };
  const { y } = await compare({ inputs, trace: (t) => ({ y: unit(t.x!) }) });
  expect([...y!.got.data]).toEqual(new Array(8).fill(0));
});

test.each([0, 2])("columns counted from %d", async (first) => {
  const { y } = await compare({
    inputs: { ids: integers(1, "i64", [2, 3], 9) },
    trace: (t) => ({ y: columns(t.ids!, first) }),
  });
  expect([...y!.got.data]).toEqual([first, first + 1, first + 2]);
});
