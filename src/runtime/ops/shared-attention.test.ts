import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { type SharedAttentionAttrs, sharedAttention } from "../../graph/ops/shared-attention.ts";
import { compare, error, type Feed, noise, type Trial } from "../compare.testing.ts";

interface Setting extends Pick<SharedAttentionAttrs, "rotary" | "window" | "softcap"> {
  /** The number of tokens already in the cache, by row. */
  past: readonly number[];
  tokens: number;
  capacity: number;
  /** Tokens before the bound part of the cache. */
  start?: number;
}

const [heads, kvHeads, headSize] = [6, 2, 32];

function trial({ past, tokens, capacity, start, rotary, ...scores }: Setting): Trial {
  const batch = past.length;
  const positions = past.flatMap((length) => Array.from({ length: tokens }, (_, t) => (start ?? 0) + length + t));
  const rows = capacity + (start ?? 0);
  const angles = noise(11, [rows, headSize / 2]).data as Float32Array;
  const table = (f: (v: number) => number): Feed => ({
    dtype: "f32",
    shape: [rows, headSize / 2],
    data: Float32Array.from(angles, (v) => f(3 * v)),
  });
  const cache = [batch, kvHeads, capacity, headSize];
  const symbolic = [sym("batch"), kvHeads, sym("capacity"), headSize];
  const lengths = past.map((length) => length + tokens - 1);
  const perToken = [sym("batch"), sym("tokens")];
  return {
    inputs: {
      q: noise(1, [batch, tokens, heads * headSize], [...perToken, heads * headSize]),
      pastKey: noise(2, cache, symbolic),
      pastValue: noise(3, cache, symbolic),
      lengths: { dtype: "i32", shape: [batch], data: lengths, symbolic: [sym("batch")] },
      total: { dtype: "i32", shape: [], data: [Math.max(...lengths) + 1] },
      ...(start !== undefined && {
        positions: { dtype: "i64", shape: [batch, tokens], data: positions, symbolic: perToken },
      }),
    },
    constants: rotary === "none" ? {} : { cos: table(Math.cos), sin: table(Math.sin) },
    bindings: { batch, tokens, capacity, past: Math.max(...past) },
    inPlace: { presentKey: "pastKey", presentValue: "pastValue" },
    trace({ q, pastKey, pastValue, lengths, total, positions, cos, sin }) {
      const shared = { pastKey: pastKey!, pastValue: pastValue!, lengths: lengths!, total: total!, positions };
      const attrs = { heads, kvHeads, headSize, scale: 0.2, rotary, past: sym("past"), ...scores };
      return { ...sharedAttention(q!, shared, cos && sin && { cos, sin }, attrs) };
    },
  };
}

async function check(setting: Setting): Promise<void> {
  const outcome = await compare(trial(setting));
  expect(Object.keys(outcome)).toEqual(["y", "presentKey", "presentValue"]);
  for (const each of Object.values(outcome)) expect(error(each)).toBeLessThan(1e-5);
}

describe("attention to keys that are already in the cache", () => {
  test.each(["interleaved", "half", "none"] as const)("rotary: %s", async (rotary) => {
    await check({ rotary, past: [0], tokens: 1, capacity: 8 });
    await check({ rotary, past: [0], tokens: 7, capacity: 7 });
    await check({ rotary, past: [5], tokens: 1, capacity: 128 });
    await check({ rotary, past: [33], tokens: 17, capacity: 60 });
  });

  test("of rows of different lengths, with one new token each", () =>
    check({ rotary: "half", past: [1, 7, 31], tokens: 1, capacity: 40 }));

  test.each([1, 5, 16, 1000])("through a window of %d keys", async (window) => {
    await check({ rotary: "half", past: [33], tokens: 17, capacity: 60, window });
    await check({ rotary: "half", past: [1, 7, 31], tokens: 1, capacity: 40, window });
  });

  test("with positions that count from further back than the cache is bound", async () => {
    await check({ rotary: "half", past: [33], tokens: 17, capacity: 60, window: 9, start: 64 });
    await check({ rotary: "half", past: [3, 9], tokens: 1, capacity: 20, start: 64 });
  });

  test("with capped scores", () => check({ rotary: "half", past: [4], tokens: 3, capacity: 8, softcap: 2 }));

  test("refuses queries of another width, in words", () => {
    const wrong = trial({ rotary: "none", past: [0], tokens: 1, capacity: 8 });
    const inputs = { ...wrong.inputs, q: noise(1, [1, 1, 32], [sym("batch"), sym("tokens"), 32]) };
    return expect(compare({ ...wrong, inputs })).rejects.toThrow(
      'sharedAttention: operand "q" is f32[batch, tokens, 32], expected [batch, tokens, 192]',
    );
  });
});
