import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import type { Part } from "../metric.ts";
import { bootstrap, pairedDelta } from "./bootstrap.ts";
import { bleu, exactMatch, perplexity } from "./index.ts";

const fixture = JSON.parse(readFileSync(new URL("./fixtures/reference.json", import.meta.url), "utf8")) as {
  intervals: { name: string; data: number[][]; low: number; high: number; error: number }[];
};
const scipy = (name: string) => fixture.intervals.find((row) => row.name === name)!;
const zip = (...columns: number[][]): Part[] => columns[0]!.map((_, i) => columns.map((column) => column[i]!));
const mean = exactMatch.quality;

/** Checks both ends to a fifth of the standard error: random generators differ by this much at 4,000 resamples. */
function near([low, high]: readonly number[], expected: { low: number; high: number; error: number }): void {
  expect(Math.abs(low! - expected.low)).toBeLessThan(expected.error / 5);
  expect(Math.abs(high! - expected.high)).toBeLessThan(expected.error / 5);
}
const options = { seed: 3, resamples: 4000 };

test("intervals equal scipy.stats.bootstrap's: a mean and a ratio of sums", () => {
  const [right] = scipy("mean").data;
  near(bootstrap(zip(right!), mean, options).ci95, scipy("mean"));
  near(bootstrap(zip(...scipy("perplexity").data), perplexity.quality, options).ci95, scipy("perplexity"));
});

test("paired differences equal scipy.stats.bootstrap's", () => {
  const [a, b] = scipy("delta of means").data;
  near(pairedDelta(zip(a!), zip(b!), mean, options).ci95, scipy("delta of means"));
  const [other, nats, tokens] = scipy("delta of perplexities").data as [number[], number[], number[]];
  const delta = pairedDelta(zip(other, tokens), zip(nats, tokens), perplexity.quality, options);
  near(delta.ci95, scipy("delta of perplexities"));
});

test("a paired difference compares the same items: it is narrow if runs agree", () => {
  const random = seededRandom(1);
  const a = zip(Array.from({ length: 300 }, () => (random() < 0.5 ? 1 : 0)));
  const b = a.map((part, i) => (i === 7 ? [1 - part[0]!] : part));
  const { ci95 } = pairedDelta(a, b, mean, options);
  expect(ci95[1] - ci95[0]).toBeLessThan(0.015);
  const perplexities = a.map(([x]) => [x! + 1, 2]);
  expect(pairedDelta(perplexities, perplexities, perplexity.quality, options).ci95).toEqual([0, 0]);
});

test("a seed determines the interval, and seeds differ", () => {
  const parts = zip(Array.from({ length: 50 }, (_, i) => i % 7));
  const ends = (seed: number) => bootstrap(parts, mean, { seed }).ci95;
  expect(ends(5)).toEqual(ends(5));
  expect(ends(5)).not.toEqual(ends(6));
});

test("95 % of intervals contain the true value", () => {
  const random = seededRandom(42);
  const held = Array.from({ length: 400 }, (_, seed) => {
    const parts = zip(Array.from({ length: 100 }, () => (random() < 0.7 ? 1 : 0)));
    const [low, high] = bootstrap(parts, mean, { seed, resamples: 400 }).ci95;
    return low <= 0.7 && 0.7 <= high;
  }).filter(Boolean).length;
  // The expected number is 380; four standard deviations are 17.
  expect(held).toBeGreaterThan(362);
  expect(held).toBeLessThan(398);
});

test("a corpus's metric is resampled as a whole, such as BLEU", () => {
  const item = { kind: "generation", id: "0", prompt: "", stop: [], maxTokens: 1 } as const;
  const texts = ["one two three four five", "one two three five four", "six seven eight nine", "a b c d e f"];
  const parts = texts.map((text) => bleu.part({ ...item, answers: [texts[0]!] }, { text }, { text }));
  const { quality, ci95 } = bootstrap(parts, bleu.quality, options);
  expect(ci95[0]).toBeLessThan(quality);
  expect(ci95[1]).toBeGreaterThan(quality);
});

describe("if all items are alike, the interval over few is still wide", () => {
  const of = (n: number, share: number) => zip(Array(n).fill(share));
  const rounded = (ends: readonly number[]) => ends.map((end) => Number(end.toFixed(4)));

  // Only ones: the lower bound is n / (n + z²). Only zeros: the upper bound is z² / (n + z²).
  test.each([
    [3, 1, [0.4385, 1]],
    [4, 0, [0, 0.4899]],
    [200, 1, [0.9812, 1]],
  ] as const)("%i items of %i", (n, share, expected) => {
    expect(rounded(bootstrap(of(n, share), mean, options).ci95)).toEqual(expected);
  });

  test("the same holds for a difference in no item, or in every item", () => {
    const delta = (a: Part[], b: Part[]) => rounded(pairedDelta(a, b, mean, options).ci95);
    expect(delta(of(4, 1), of(4, 1))).toEqual([-0.4899, 0.4899]);
    expect(delta(of(4, 0), of(4, 1))).toEqual([-1, -0.5101]);
    expect(delta(zip([1, 0, 0.5]), zip([1, 0, 0.5]))).toEqual([-0.5615, 0.5615]);
  });
});

test("lists of different lengths cannot be paired", () => {
  expect(() => pairedDelta([[1]], [[1], [0]], mean, options)).toThrow("expected equal numbers of parts, got 1 and 2");
});
