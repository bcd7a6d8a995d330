import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { type Candidates, everyToken } from "./candidates.ts";
import { minP, topK, topP } from "./filters.ts";
import { argmax } from "./softmax.ts";

const candidates = (logits: Float32Array, temperature = 1): Candidates =>
  everyToken(logits, logits[argmax(logits)]!, temperature);
const idsOf = (c: Candidates): number[] => [...c.ids.subarray(0, c.count)];
const rising = (ids: number[]): number[] => ids.sort((a, b) => a - b);

// The simple way: sorts the whole vocabulary, then cuts.
function sorted(logits: Float32Array, ids: number[]): number[] {
  return [...ids].sort((a, b) => logits[b]! - logits[a]! || a - b);
}
function plainTopK(logits: Float32Array, ids: number[], k: number): number[] {
  return k === 0 ? ids : rising(sorted(logits, ids).slice(0, k));
}
function plainTopP(logits: Float32Array, ids: number[], p: number, temperature: number): number[] {
  if (p === 1) return ids;
  const order = sorted(logits, ids);
  const weights = order.map((id) => Math.exp((logits[id]! - logits[order[0]!]!) / temperature));
  const target = p * weights.reduce((a, b) => a + b);
  let end = 0;
  for (let sum = 0; sum < target || end === 0; end++) sum += weights[end]!;
  return rising(order.slice(0, end));
}
function plainMinP(logits: Float32Array, ids: number[], p: number, temperature: number): number[] {
  const max = Math.max(...ids.map((id) => logits[id]!));
  return ids.filter((id) => Math.exp((logits[id]! - max) / temperature) >= p);
}

const shapes: Record<string, (random: () => number) => number> = {
  bell: (random) => (random() + random() + random() + random() - 2) * 6,
  peaked: (random) => 20 * random() ** 12,
  "quarter steps, so full of ties": (random) => Math.round(random() * 40) / 4,
  narrow: (random) => random() / 1000,
  "half masked": (random) => (random() < 0.5 ? -Infinity : random() * 10),
};
const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe.each(Object.entries(shapes))("%s logits", (_, shape) => {
  const random = seededRandom(11);
  const cases = [1, 2, 3, 5, 17, 256, 3001].map((n) => {
    const logits = Float32Array.from({ length: n }, () => shape(random));
    logits[Math.floor(random() * n)] = 12;
    return logits;
  });

  test("top-k keeps what sorting keeps", () => {
    for (const logits of cases) {
      const drawable = all(logits.length).filter((id) => logits[id]! > -Infinity);
      for (const k of [0, 1, 2, 3, 10, 40, 200, 5000]) {
        const retained = idsOf(topK(candidates(logits), k)).filter((id) => logits[id]! > -Infinity);
        expect(retained).toEqual(plainTopK(logits, drawable, k));
      }
    }
  });

  test("top-p keeps what sorting keeps", () => {
    for (const logits of cases) {
      for (const p of [0, 0.013, 0.5, 0.9, 0.987]) {
        for (const temperature of [0.3, 1, 2.5]) {
          const retained = idsOf(topP(candidates(logits, temperature), p));
          expect(retained).toEqual(plainTopP(logits, all(logits.length), p, temperature));
        }
      }
    }
  });

  test("min-p keeps what the definition says", () => {
    for (const logits of cases) {
      for (const p of [0, 0.0123, 0.37, 1]) {
        const retained = idsOf(minP(candidates(logits, 0.7), p));
        expect(retained).toEqual(plainMinP(logits, all(logits.length), p, 0.7));
      }
    }
  });

  test("one after the other, each works on what the one before left", () => {
    for (const logits of cases) {
      for (const [k, p, share] of [
        [40, 0.9, 0.05],
        [5, 0.51, 0.2],
        [1000, 0.97, 0.001],
      ] as const) {
        const first = plainTopK(
          logits,
          all(logits.length).filter((id) => logits[id]! > -Infinity),
          k,
        );
        const plain = plainMinP(logits, plainTopP(logits, first, p, 0.8), share, 0.8);
        expect(idsOf(minP(topP(topK(candidates(logits, 0.8), k), p), share))).toEqual(plain);
      }
    }
  });
});

describe("ties", () => {
  const flat = new Float32Array(100).fill(3);

  test("top-k keeps exactly k, the lower ids", () => {
    expect(idsOf(topK(candidates(flat), 7))).toEqual(all(7));
    expect(idsOf(topK(candidates(Float32Array.of(1, 2, 1, 2, 1)), 3))).toEqual([0, 1, 3]);
  });

  test("top-p keeps the lower ids until the share is reached", () => {
    expect(idsOf(topP(candidates(flat), 0.1995))).toEqual(all(20));
    expect(idsOf(topP(candidates(flat), 0))).toEqual([0]);
  });

  test("min-p keeps all of them", () => {
    expect(idsOf(minP(candidates(flat), 1))).toEqual(all(100));
  });
});

test("extreme temperatures: the coldest leaves the likeliest alone, the hottest levels all", () => {
  const logits = Float32Array.of(1, 5, 2, 4.999);
  expect(idsOf(topP(candidates(logits, Number.MIN_VALUE), 0.999))).toEqual([1]);
  expect(idsOf(topK(candidates(logits, 1e-3), 1))).toEqual([1]);
  expect(idsOf(topP(candidates(logits, 1e9), 0.7))).toEqual([1, 2, 3]);
});

test("logits are left as they were", () => {
  const logits = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i) * 8);
  const before = logits.slice();
  minP(topP(topK(candidates(logits), 50), 0.9), 0.1);
  expect(logits).toEqual(before);
});
