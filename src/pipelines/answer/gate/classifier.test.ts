import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { fitClassifier, type JudgedFeatures, probabilityOf } from "./classifier.ts";
import { featureNames, featuresOf } from "./features.ts";
import { signalsOf } from "./signals.ts";

const ENTROPY = featureNames.indexOf("entropy");
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Questions whose plain answer is wrong with probability σ(4·entropy − 2); for a tenth, neither answer is right. */
function questions(count: number, seed: number): JudgedFeatures[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const values = featureNames.map(() => random());
    const wrong = random() < sigmoid(4 * values[ENTROPY]! - 2);
    return { values, plain: Number(!wrong), retrieved: Number(random() < 0.9) };
  });
}

test("finds the informative feature, and its probabilities are calibrated on new questions", () => {
  const classifier = fitClassifier(questions(600, 1), "outcome");
  const weights = classifier.fixes.weights.map(Math.abs);
  expect(weights.indexOf(Math.max(...weights))).toBe(ENTROPY);
  const known = questions(4000, 2).filter(({ plain, retrieved }) => plain + retrieved > 0);
  for (const [low, high] of [
    [0.1, 0.3],
    [0.3, 0.5],
    [0.5, 0.7],
    [0.7, 0.9],
  ] as const) {
    const bin = known
      .map((row) => ({ p: probabilityOf(classifier, row.values), needed: Number(row.plain === 0) }))
      .filter(({ p }) => p >= low && p < high);
    const mean = (of: (one: (typeof bin)[number]) => number) => bin.reduce((sum, one) => sum + of(one), 0) / bin.length;
    expect(bin.length).toBeGreaterThan(200);
    expect(Math.abs(mean((one) => one.p) - mean((one) => one.needed))).toBeLessThan(0.07);
  }
});

test("uninformative features cost little against the rate alone", () => {
  const noise = (count: number, seed: number) => {
    const random = seededRandom(seed + 100);
    return questions(count, seed).map((row) => ({ ...row, plain: Number(random() < 0.5), retrieved: 1 }));
  };
  const classifier = fitClassifier(noise(300, 3), "outcome");
  const losses = noise(1000, 4).map(({ values, plain }) => {
    const p = probabilityOf(classifier, values);
    return -Math.log(plain ? 1 - p : p);
  });
  expect(losses.reduce((sum, loss) => sum + loss, 0) / losses.length).toBeLessThan(Math.LN2 + 0.03);
});

test("benefit subtracts what retrieval breaks", () => {
  // Retrieval always breaks the answers to short questions, and fixes those to long ones.
  const random = seededRandom(5);
  const rows = Array.from({ length: 400 }, () => {
    const values = featureNames.map(() => random());
    const long = values[0]! > 0.5;
    return { values, plain: Number(!long), retrieved: Number(long) };
  });
  const classifier = fitClassifier(rows, "benefit");
  const at = (words: number) => probabilityOf(classifier, [words, ...featureNames.slice(1).map(() => 0.5)]);
  expect(at(0.9)).toBeGreaterThan(0.5);
  expect(at(0.1)).toBeLessThan(-0.5);
});

test("too few questions of one label are refused", () => {
  const rows = questions(100, 6).map((row) => ({ ...row, plain: 1 }));
  expect(() => fitClassifier(rows, "outcome")).toThrow(/at least 5 questions that retrieval fixes .* got 0 and 100/);
});

test("a question without signals has no score; a classifier for other features is refused", () => {
  const classifier = fitClassifier(questions(200, 7), "outcome");
  expect(probabilityOf(classifier, featuresOf({ question: "Who?" }))).toBeNaN();
  const other = { ...classifier, features: ["tea"] };
  expect(() => probabilityOf(other, [1])).toThrow("the gate was trained on the features tea");
});

test("features come from the question and the first token", () => {
  const input = {
    question: "Who was King of Spain in 1936?",
    signals: signalsOf([2, 1]),
    rarity: { most: 9, mean: 7 },
  };
  const features = Object.fromEntries(featuresOf(input).map((value, i) => [featureNames[i]!, value]));
  expect(features).toMatchObject({ capitals: 2, numbers: 1, who: 1, when: 0, rarestWord: 9, meanWord: 7 });
  expect(features["words"]).toBeCloseTo(Math.log(8), 12);
  expect(features["energy"]).toBeCloseTo(Math.log(Math.exp(2) + Math.E), 12);
});
