import { expect, test } from "vitest";
import { seededRandom } from "../../../../util/random.ts";
import { bootstrapLaw } from "./bootstrap.ts";
import { fitScalingLaw, type Law, objectiveOf, type Point, predictLoss, startAt } from "./fit.ts";
import { minimise } from "./minimise.ts";
import { planRun } from "./plan.ts";

/** The coefficients in arXiv 2203.15556. */
const law: Law = { E: 1.69, A: 406.4, B: 410.7, alpha: 0.34, beta: 0.28 };
const names = ["E", "A", "B", "alpha", "beta"] as const;

const pointsOf = (places: readonly Omit<Point, "loss">[], noise: () => number = () => 1): Point[] =>
  places.map((place) => ({ ...place, loss: predictLoss(law, place) * noise() }));

/** Three sizes at five sparsities, each for two numbers of tokens. */
const narrow = [58e6, 162e6, 468e6].flatMap((size) =>
  [1, 0.8926, 0.7662, 0.6103, 0.3991].flatMap((share) =>
    [10, 20].map((ratio) => ({ parameters: size * share, tokens: (size * ratio) / share })),
  ),
);

const powers = (from: number, to: number): number[] =>
  Array.from({ length: 8 }, (_, i) => 10 ** (from + ((to - from) * i) / 7));
const wide = powers(5, 10).flatMap((parameters) => powers(7, 12).map((tokens) => ({ parameters, tokens })));

/** Random factors around 1 whose logarithms are normal with this deviation. */
function factors(deviation: number, seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.exp(deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

const errors = (fitted: Law): number[] => names.map((name) => Math.abs(fitted[name] / law[name] - 1));

test("a law is recovered from its own losses", () => {
  const fitted = fitScalingLaw(pointsOf(narrow));
  expect(Math.max(...errors(fitted))).toBeLessThan(1e-6);
  expect(fitted.objective).toBeLessThan(1e-15);
});

test("a wide grid with 1 % noise gives the exponents within 3 %, and intervals around them", () => {
  const noisy = pointsOf(wide, factors(0.01, 1));
  const fitted = fitScalingLaw(noisy);
  expect(Math.abs(fitted.alpha / law.alpha - 1)).toBeLessThan(0.03);
  expect(Math.abs(fitted.beta / law.beta - 1)).toBeLessThan(0.03);
  const { alpha, beta } = bootstrapLaw(noisy, fitted, 40);
  expect(alpha[0]).toBeLessThan(fitted.alpha);
  expect(alpha[1]).toBeGreaterThan(fitted.alpha);
  expect(beta[1] - beta[0]).toBeGreaterThan(0);
});

test("one outlier moves the fit less than its square would", () => {
  const points = pointsOf(wide);
  points[20] = { ...points[20]!, loss: 2 * points[20]!.loss };
  const near = { starts: [startAt(law)] };
  const huber = fitScalingLaw(points, near);
  const square = fitScalingLaw(points, { ...near, delta: 1e9 });
  expect(Math.abs(huber.alpha - law.alpha)).toBeLessThan(0.1 * Math.abs(square.alpha - law.alpha));
});

test("the gradient equals central differences", () => {
  const objective = objectiveOf(pointsOf(narrow, factors(0.05, 2)), 0.03);
  const at = [5.8, 6.2, 0.4, 0.33, 0.29];
  const { gradient } = objective(at);
  const moved = (i: number, by: number) => objective(at.map((value, j) => (j === i ? value + by : value))).value;
  for (const [i, slope] of gradient.entries())
    expect((moved(i, 1e-6) - moved(i, -1e-6)) / 2e-6 / slope).toBeCloseTo(1, 5);
});

test("the minimum of a curved valley is found", () => {
  const { x } = minimise(
    ([a, b]) => {
      const [first, second] = [1 - a!, b! - a! ** 2];
      const gradient = [-2 * first - 400 * a! * second, 200 * second];
      return { value: first ** 2 + 100 * second ** 2, gradient };
    },
    [-1.2, 1],
  );
  expect(x[0]).toBeCloseTo(1, 8);
  expect(x[1]).toBeCloseTo(1, 8);
});

test.each([
  [narrow.slice(0, 5).map((place) => ({ ...place, loss: 2 })), "expected at least 6 runs, got 5"],
  [narrow.map((place) => ({ ...place, loss: 0 })), "loss: expected a number above 0, got 0"],
])("points without a fit are refused", (points, message) => {
  expect(() => fitScalingLaw(points)).toThrow(message);
});

test("a plan spends its compute, and no other split has less loss", () => {
  const plan = planRun({ compute: 1e20, sparsity: 0.8, law, inferenceTokens: 1e12 });
  expect(6 * plan.mean * plan.tokens).toBeCloseTo(1e20, -10);
  expect(plan.mean / plan.last).toBeCloseTo(1.995, 3);
  expect(plan.last / plan.first).toBeCloseTo(0.2, 12);
  expect(plan.lifetimeFlops).toBeCloseTo(1e20 + 2 * plan.last * 1e12, -6);
  for (const factor of [0.8, 1.25])
    expect(predictLoss(law, { parameters: factor * plan.mean, tokens: plan.tokens / factor })).toBeGreaterThan(
      plan.loss,
    );
  expect(() => planRun({ compute: 1, sparsity: 1, law })).toThrow("less than 1, got 1");
});
