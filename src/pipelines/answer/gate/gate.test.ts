import { expect, test } from "vitest";
import { ALWAYS, decide, type GateMethod, gateScore, NEVER } from "./gate.ts";
import { rarityOf } from "./rarity.ts";
import { reflectionOf, reflectionRatio, signalsOf } from "./signals.ts";

const sure = signalsOf([12, 0, 0, 0]);
const unsure = signalsOf([1, 1, 0.9, 1]);
const vocabulary = { encode: (text: string) => [...text.trim()].map((c) => c.charCodeAt(0)), size: 1000 };

test.each(["energy", "entropy", "margin"] as const)("%s: an unsure model scores higher", (method) => {
  const score = (signals: typeof sure) => gateScore({ method }, { question: "Who?", signals });
  expect(score(unsure)).toBeGreaterThan(score(sure));
});

test("signals equal hand computation", () => {
  const { energy, entropy, margin, maxLogProb } = signalsOf([Math.log(1), Math.log(3)]);
  expect(energy).toBeCloseTo(Math.log(4), 12);
  expect(entropy).toBeCloseTo(-0.25 * Math.log(0.25) - 0.75 * Math.log(0.75), 12);
  expect(margin).toBeCloseTo(0.5, 12);
  expect(maxLogProb).toBeCloseTo(Math.log(0.75), 12);
});

test("Self-RAG's ratio is of probabilities, not of their logarithms", () => {
  expect(reflectionRatio(0.3, 0.1)).toBeCloseTo(0.75, 12);
  expect(reflectionRatio(0.01, 0.9)).toBeCloseTo(0.01099, 5);
  expect(() => reflectionRatio(Math.log(0.3), Math.log(0.1))).toThrow(RangeError);
  const logits = [5, Math.log(0.2), Math.log(0.1), Math.log(0.1)];
  expect(reflectionOf(logits, [1, 2], [3])).toBeCloseTo(0.75, 12);
  expect(reflectionOf([Number.NaN, 1], [0], [1])).toBeNaN();
});

test("a tie retrieves, and so does a question without a score", () => {
  const gate = { method: "self-reflection", threshold: 0.2 } as const;
  const at = (reflection?: number) => decide(gate, { question: "Who?", reflection }).retrieve;
  expect(at(0.2)).toBe(true);
  expect(at(0.1999)).toBe(false);
  expect(at(Number.NaN)).toBe(true);
  expect(at()).toBe(true);
});

test("always and never apply to any question", () => {
  const lost = { question: "" };
  expect([decide(ALWAYS, lost).retrieve, decide(NEVER, lost).retrieve]).toEqual([true, false]);
});

test.each(["margin", "self-reflection", "random"] satisfies GateMethod[])(
  "%s: 0 always retrieves, more than 1 never, and the rate falls between",
  (method) => {
    const inputs = Array.from({ length: 200 }, (_, i) => ({
      question: `Question ${i}?`,
      signals: signalsOf([i / 20, 0, 0]),
      reflection: i / 199,
    }));
    const rate = (threshold: number) => inputs.filter((input) => decide({ method, threshold }, input).retrieve).length;
    const rates = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1 + 1e-9].map(rate);
    expect(rates[0]).toBe(200);
    expect(rates.at(-1)).toBe(0);
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    expect(new Set(rates).size).toBeGreaterThan(4);
  },
);

test("random depends only on the question", () => {
  const score = (question: string) => gateScore({ method: "random" }, { question });
  expect(score("Who?")).toBe(score("Who?"));
  expect(score("Who?")).not.toBe(score("When?"));
});

test("popularity reads the rarest word, not the index", () => {
  const common = rarityOf("a a", vocabulary);
  const rare = rarityOf("a zebra", vocabulary);
  expect(rare.most).toBeGreaterThan(common.most);
  // 1/(98·H_1000), H_1000 = 7.485470860550345
  expect(common.most).toBeCloseTo(Math.log(98 * 7.485470860550345), 6);
  expect(rarityOf("?", vocabulary)).toEqual({ most: 0, mean: 0 });
});
