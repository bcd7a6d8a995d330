import { expect, test } from "vitest";
import { seededRandom } from "../random.ts";
import { bettingPValue } from "./betting.ts";
import { binomialPValue } from "./binomial.ts";
import { certifiedOf } from "./fixed-sequence.ts";
import { groupLosses } from "./groups.ts";
import { hoeffdingBentkusPValue } from "./hoeffding-bentkus.testing.ts";
import type { Losses, LossType } from "./losses.ts";
import { pValue } from "./p-value.ts";

const some = <T extends LossType>(type: T, lost: number, n: number): Losses<T> => ({
  type,
  values: Array.from({ length: n }, (_, i) => (i < lost ? 1 : 0)),
});

test.each([
  [0, 149, 0.02, 0.0492816543, 0.0492816543],
  [3, 400, 0.02, 0.0409516551, 0.1113181398],
  [12, 1000, 0.02, 0.0376048104, 0.1022204728],
])("%d losses of %d at risk %d: the p-values of the specification", (lost, n, risk, binomial, hoeffdingBentkus) => {
  expect(binomialPValue(some("binary", lost, n), risk)).toBeCloseTo(binomial, 10);
  expect(hoeffdingBentkusPValue(some("unit", lost, n), risk)).toBeCloseTo(hoeffdingBentkus, 10);
});

test("betting on 200 zeros has the p-value of the specification", () => {
  expect(bettingPValue(some("unit", 0, 200), { risk: 0.02, confidence: 0.95 })).toBeCloseTo(0.0204768549, 10);
});

test.each([
  [0.02, [149, 236, 313, 386, 456]],
  [0.05, [59, 93, 124, 153, 181, 208]],
])("at risk %d one more loss is allowed from these sizes on", (risk, sizes) => {
  for (const [lost, n] of sizes.entries()) {
    expect(binomialPValue(some("binary", lost, n), risk)).toBeLessThanOrEqual(0.05);
    expect(binomialPValue(some("binary", lost, n - 1), risk)).toBeGreaterThan(0.05);
  }
});

const bound = { risk: 0.05, confidence: 0.95 };
const unusable: [string, LossType, number[]][] = [
  ["no trials", "binary", []],
  ["no trials", "unit", []],
  ["no trials", "signed", []],
  ["a NaN", "binary", [...Array(400).fill(0), Number.NaN]],
  ["a NaN", "unit", [Number.NaN, ...Array(400).fill(0)]],
  ["a NaN", "signed", [...Array(400).fill(0), Number.NaN]],
  ["a fraction", "binary", [...Array(400).fill(0), 0.5]],
  ["a negative loss", "unit", [...Array(400).fill(0), -0.1]],
  ["a loss above 1", "unit", [...Array(400).fill(0), 1.1]],
  ["a loss below −1", "signed", [...Array(400).fill(0), -1.1]],
  ["an infinite loss", "signed", [...Array(400).fill(0), Number.NEGATIVE_INFINITY]],
];

test.each(unusable)("%s among %s losses: p is 1, and nothing is certified", (_, type, values) => {
  expect(pValue({ type, values }, bound)).toBe(1);
  expect(bettingPValue({ type, values }, bound)).toBe(1);
  if (type === "binary") expect(binomialPValue({ type, values }, bound.risk)).toBe(1);
  if (type !== "signed") expect(hoeffdingBentkusPValue({ type, values }, bound.risk)).toBe(1);
  expect(certifiedOf([0.9, 0], () => pValue({ type, values }, bound), 0.95)).toEqual([]);
});

test.each([0, 1, -0.1, Number.NaN])("a risk of %d is no bound: p is 1", (risk) => {
  expect(pValue(some("binary", 0, 400), { ...bound, risk })).toBe(1);
  expect(pValue(some("unit", 0, 400), { ...bound, risk })).toBe(1);
});

test("the test goes with the type: zeros and ones that may lie between are bets", () => {
  expect(pValue(some("binary", 3, 400), { risk: 0.02, confidence: 0.95 })).toBeCloseTo(0.0409516551, 10);
  expect(pValue(some("unit", 3, 400), { risk: 0.02, confidence: 0.95 })).toBe(
    bettingPValue(some("unit", 3, 400), { risk: 0.02, confidence: 0.95 }),
  );
});

test("the sequence ends at the first candidate that is not certified, and a NaN certifies nothing", () => {
  const p = new Map([
    [3, 0.01],
    [2, 0.5],
    [1, 0],
  ]);
  expect(certifiedOf([3, 2, 1], (each) => p.get(each)!, 0.95)).toEqual([{ candidate: 3, p: 0.01 }]);
  expect(certifiedOf([2, 1], (each) => p.get(each)!, 0.95)).toEqual([]);
  expect(certifiedOf([3], () => Number.NaN, 0.95)).toEqual([]);
});

test("a group counts once, by the mean of its items, in the order of the hashes", () => {
  const items = [
    { group: "b", loss: 1 },
    { group: "a", loss: 0 },
    { group: "b", loss: 0 },
  ];
  expect(groupLosses("binary", items)).toEqual({ type: "unit", values: [0, 0.5] });
  expect(groupLosses("binary", items.slice(0, 2))).toEqual({ type: "binary", values: [0, 1] });
  expect(groupLosses("signed", items)).toEqual({ type: "signed", values: [0, 0.5] });
});

/** The share of `draws` draws of losses that are certified. */
function certified(draws: number, draw: (random: () => number) => Losses, risk = 0.05): number {
  const random = seededRandom(5);
  let count = 0;
  for (let i = 0; i < draws; i++) if (pValue(draw(random), { risk, confidence: 0.95 }) <= 0.05) count++;
  return count / draws;
}

const TRUE_RISK = 0.0505;
const drawn = (type: LossType, one: (random: () => number) => number) => (random: () => number) => ({
  type,
  values: Array.from({ length: 300 }, () => one(random)),
});

test.each<[string, (random: () => number) => Losses]>([
  ["0 or 1", drawn("binary", (random) => (random() < TRUE_RISK ? 1 : 0))],
  ["rare and whole, of a loss that may lie between", drawn("unit", (random) => (random() < TRUE_RISK ? 1 : 0))],
  ["small and even", drawn("unit", (random) => 2 * TRUE_RISK * random())],
  ["rare halves", drawn("unit", (random) => (random() < 2 * TRUE_RISK ? 0.5 : 0))],
  ["harm and benefit", drawn("signed", (random) => signed(random()))],
])("losses %s: a true risk just above the bound is certified in at most one of twenty draws", (_, draw) => {
  // Three standard errors of a share of 0.05 in 2,000.
  expect(certified(2000, draw)).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 2000));
});

/** A loss with mean TRUE_RISK. */
const signed = (u: number): number => (u < 0.1 + TRUE_RISK ? 1 : u < 0.2 + TRUE_RISK ? -1 : 0);

test("the simulation fails for a rule without a test: a mean below the bound", () => {
  const random = seededRandom(5);
  const draw = drawn("binary", (next) => (next() < TRUE_RISK ? 1 : 0));
  let passed = 0;
  for (let i = 0; i < 2000; i++) if (draw(random).values.reduce((sum, loss) => sum + loss, 0) / 300 <= 0.05) passed++;
  expect(passed / 2000).toBeGreaterThan(0.4);
});

test("questions that stand or fall with their document: items certify wrongly, groups do not", () => {
  const draw = (documents: number, group: (document: number, question: number) => string) => (random: () => number) => {
    const lost = Array.from({ length: documents }, () => (random() < TRUE_RISK ? 1 : 0));
    const items = lost.flatMap((loss, i) => Array.from({ length: 10 }, (_, k) => ({ group: group(i, k), loss })));
    return groupLosses("binary", items);
  };
  expect(
    certified(
      500,
      draw(15, (i, k) => `${i} ${k}`),
    ),
  ).toBeGreaterThan(0.4);
  expect(
    certified(
      500,
      draw(15, (i) => `${i}`),
    ),
  ).toBe(0);
  expect(
    certified(
      500,
      draw(100, (i) => `${i}`),
    ),
  ).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 500));
});

test("small losses are certified by betting with half the items that Hoeffding and Bentkus need", () => {
  const random = seededRandom(8);
  const draw = (n: number): Losses<"unit"> => ({
    type: "unit",
    values: Array.from({ length: n }, () => Math.max(0, 0.026 + 0.02 * Math.sqrt(12) * (random() - 0.5))),
  });
  let [bets, means] = [0, 0];
  for (let i = 0; i < 200; i++) {
    if (pValue(draw(150), bound) <= 0.05) bets++;
    if (hoeffdingBentkusPValue(draw(300), bound.risk) <= 0.05) means++;
  }
  expect(bets).toBeGreaterThan(180);
  expect(means).toBeLessThan(20);
});

/** Thresholds from strict to lax, with risks that rise from 0 to 0.2. */
const settings = Array.from({ length: 25 }, (_, i) => 1 - i / 25);
const riskAt = (threshold: number) => 0.2 * (1 - threshold) ** 1.5;

test("the laxest certified of a sequence is above the bound in at most one of twenty calibrations; the laxest of all always is", () => {
  const random = seededRandom(5);
  let failed = 0;
  for (let run = 0; run < 500; run++) {
    // Each item has one draw, so a laxer threshold loses on every item on which a stricter one loses.
    const draws = Array.from({ length: 400 }, random);
    const values = (threshold: number) => draws.map((draw) => (draw < riskAt(threshold) ? 1 : 0));
    const certificate = certifiedOf(settings, (each) => pValue({ type: "binary", values: values(each) }, bound), 0.95);
    if (certificate.length > 0 && riskAt(certificate.at(-1)!.candidate) > bound.risk) failed++;
  }
  expect(failed / 500).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 500));
  expect(riskAt(settings.at(-1)!)).toBeGreaterThan(bound.risk);
});
