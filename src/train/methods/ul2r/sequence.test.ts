import { expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import { type Denoiser, drawDenoiser, MIXTURES, mixtureOf, modeOf } from "./denoisers.ts";
import { idsOf } from "./ids.testing.ts";
import { hiddenSpans, longestText, sequenceOf } from "./sequence.ts";
import { spanMask } from "./spans.ts";

const textOf = (length: number) => Array.from({ length }, (_, i) => i);

test("inputs and targets of 10,000 random texts reconstruct the texts", () => {
  const random = seededRandom(3);
  const ids = idsOf(600);
  for (let i = 0; i < 10_000; i++) {
    const length = i < 100 ? 2 : 2 + Math.floor(random() * 120);
    const rate = i % 7 === 0 ? 1 : Math.max(1e-3, random());
    const mask = spanMask(length, { rate, meanSpan: 1 + random() * 40, roll: i % 2 === 0 }, random);
    const { inputs, targets } = hiddenSpans(textOf(length), mask, ids);
    expect(targets.at(-1)).toBe(ids.end);
    expect(filled(inputs, targets).join()).toBe(textOf(length).join());
  }
});

/** Replaces each sentinel in the inputs by its run in the targets. */
function filled(inputs: readonly number[], targets: readonly number[]): number[] {
  return inputs.flatMap((id) => {
    if (id < 1003) return [id];
    const from = targets.indexOf(id) + 1;
    const to = targets.findIndex((other, i) => i >= from && other >= 999);
    return targets.slice(from, to);
  });
}

test("sentinels ascend from the left; one run too many is refused", () => {
  const mask = Uint8Array.of(0, 1, 1, 0, 1, 0, 1);
  const parts = hiddenSpans([10, 11, 12, 13, 14, 15, 16], mask, idsOf(3));
  expect(parts.inputs).toEqual([10, 1003, 13, 1004, 15, 1005]);
  expect(parts.targets).toEqual([1003, 11, 12, 1004, 14, 1005, 16, 999]);
  expect(() => hiddenSpans(textOf(7), mask, idsOf(2))).toThrow(UserError);
});

test("a continuation hides everything after a random point, without a sentinel", () => {
  const random = seededRandom(5);
  const pivots = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const { ids, prefix } = sequenceOf(textOf(6), { kind: "S", weight: 1 }, idsOf(1), random);
    expect(ids).toEqual([1000, 0, 1, 2, 3, 4, 5]);
    pivots.add(prefix - 1);
  }
  expect([...pivots].sort()).toEqual([1, 2, 3, 4, 5]);
  const tail: Denoiser = { kind: "S", weight: 1, tail: 0.25 };
  expect(sequenceOf(textOf(12), tail, idsOf(1), random).prefix).toBe(1 + 9);
});

/** The greatest length, in tokens, of a text's sequences over 50 draws. */
const longestOf = (length: number, denoiser: Denoiser): number =>
  Math.max(
    ...Array.from(
      { length: 50 },
      (_, i) => sequenceOf(textOf(length), denoiser, idsOf(200), seededRandom(i)).ids.length,
    ),
  );

test("sequences of the longest texts fit their room, and longer texts' do not", () => {
  for (const denoiser of MIXTURES.flatMap((name) => mixtureOf(name, false)))
    for (const room of [40, 257]) {
      const length = longestText(10_000, room, denoiser)!;
      expect(longestOf(length, denoiser)).toBeLessThanOrEqual(room);
      expect(longestOf(length + 1, denoiser)).toBeGreaterThan(room);
    }
  for (const denoiser of mixtureOf("ul2r", true))
    for (const room of [8, 40]) expect(longestOf(longestText(99, room, denoiser)!, denoiser)).toBeLessThanOrEqual(room);
  expect(longestText(10, 3, mixtureOf("ul2r", false)[1]!)).toBeUndefined();
});

/** Draws of each kind. */
function drawn(mixture: readonly Denoiser[], draws: number): Record<"S" | "R" | "X", number> {
  const counts = { S: 0, R: 0, X: 0 };
  const random = seededRandom(6);
  for (let i = 0; i < draws; i++) counts[drawDenoiser(mixture, random).kind]++;
  return counts;
}

/** True if, at 99.9 % confidence, 10,000 draws are half S, a quarter R and a quarter X. */
const isHalfQuarters = ({ S, R, X }: Record<"S" | "R" | "X", number>): boolean =>
  Math.abs(S - 5000) <= 165 && Math.abs(R - 2500) <= 143 && Math.abs(X - 2500) <= 143;

test("10,000 draws of the mixture are half S, a quarter R and X; other shares are detected", () => {
  expect(isHalfQuarters(drawn(mixtureOf("ul2r", false), 10_000))).toBe(true);
  expect(isHalfQuarters(drawn([{ kind: "S", weight: 1 }], 10_000))).toBe(false);
  expect(isHalfQuarters(drawn(mixtureOf("ul2", false), 10_000))).toBe(false);
});

test("UL2's seven denoisers are equally likely", () => {
  const { S, R, X } = drawn(mixtureOf("ul2", false), 14_000);
  for (const [count, of] of [
    [S, 1],
    [R, 2],
    [X, 4],
  ] as const)
    expect(Math.abs(count / of / 2000 - 1)).toBeLessThan(0.1);
});

test("modes are U-PaLM's", () => {
  expect(mixtureOf("ul2r", false).map(modeOf)).toEqual(["S2S", "NLU", "NLG", "NLG"]);
});
