import { describe, expect, test } from "vitest";
import { UserError } from "./errors.ts";
import { checkedData, fitLogistic, type Logistic, logisticLoss, logitsOf } from "./logistic.ts";
import { seededRandom, shuffle } from "./random.ts";

/** Rows scattered around each class's random centre; `apart` is the range of each coordinate of the centres. */
function clouds(count: number, classes: number, width: number, apart: number, seed = 1) {
  const random = seededRandom(seed);
  const centres = Array.from({ length: classes }, () => Array.from({ length: width }, () => apart * (random() - 0.5)));
  const labels = Array.from({ length: count }, (_, i) => i % classes);
  const rows = labels.map((label) => centres[label]!.map((at) => at + random() + random() - 1));
  return { rows, labels };
}

const probabilities = (model: Logistic, row: readonly number[]): number[] => {
  const weights = [...logitsOf(model, row)].map(Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
};

const accuracy = (model: Logistic, rows: readonly (readonly number[])[], labels: readonly number[]): number => {
  const right = rows.filter((row, i) => {
    const logits = logitsOf(model, row);
    return logits.indexOf(Math.max(...logits)) === labels[i];
  });
  return right.length / rows.length;
};

const exact = { tolerance: 1e-10, iterations: 1000 };

describe("closed forms", () => {
  test("features that say nothing: probabilities are the classes' shares", () => {
    const labels = [0, 0, 0, 1, 1, 2];
    const model = fitLogistic(
      labels.map(() => [0, 0]),
      labels,
      exact,
    );
    const [a, b, c] = probabilities(model, [0, 0]);
    expect(a).toBeCloseTo(3 / 6, 8);
    expect(b).toBeCloseTo(2 / 6, 8);
    expect(c).toBeCloseTo(1 / 6, 8);
  });

  test("one feature of two values, hardly regularised: probabilities are the shares within each value", () => {
    const table = [
      [0, 0, 30],
      [0, 1, 10],
      [1, 0, 5],
      [1, 1, 15],
    ] as const;
    const all = table.flatMap(([x, label, count]) => Array.from({ length: count }, () => ({ x, label })));
    const model = fitLogistic(
      all.map(({ x }) => [x]),
      all.map(({ label }) => label),
      { ...exact, l2: 1e-9 },
    );
    expect(probabilities(model, [0])[1]).toBeCloseTo(0.25, 5);
    expect(probabilities(model, [1])[1]).toBeCloseTo(0.75, 5);
  });

  test("two points at ±1: the weight solves w·l2 = 1/(1 + e^{2w})", () => {
    const l2 = 0.1;
    const { weights, bias } = fitLogistic([[1], [-1]], [1, 0], { ...exact, l2 });
    const w = weights[1]!;
    expect(weights[0]).toBeCloseTo(-w, 9);
    expect(w * l2).toBeCloseTo(1 / (1 + Math.exp(2 * w)), 8);
    expect([...bias].every((b) => Math.abs(b) < 1e-9)).toBe(true);
  });
});

describe("the solver", () => {
  test.each([1e-1, 1e-3, 1e-6])("converges on separable rows with l2 = %d", (l2) => {
    const { rows, labels } = clouds(300, 3, 5, 20);
    const model = fitLogistic(rows, labels, { l2 });
    expect(model.converged).toBe(true);
    expect(accuracy(model, rows, labels)).toBe(1);
    expect(model.weights.every(Number.isFinite)).toBe(true);
  });

  test.each([2, 3, 5])("its gradient is that of finite differences, with %d classes", (classes) => {
    const { rows, labels } = clouds(23, classes, 4, 2);
    const objective = logisticLoss(checkedData(rows, labels), 0.05);
    const random = seededRandom(9);
    const x = Float64Array.from({ length: classes * 5 }, () => random() - 0.5);
    const [gradient, unused] = [new Float64Array(x.length), new Float64Array(x.length)];
    objective(x, gradient);
    for (const i of x.keys()) {
      const at = (step: number) => objective(x.with(i, x[i]! + step), unused);
      expect(gradient[i]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
    }
  });

  test("stands still where no direction leads down", () => {
    const { rows, labels } = clouds(120, 4, 6, 2);
    const model = fitLogistic(rows, labels, { ...exact, l2: 1e-2 });
    const gradient = new Float64Array(4 * 7);
    logisticLoss(checkedData(rows, labels), 1e-2)(Float64Array.of(...model.weights, ...model.bias), gradient);
    expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-8);
  });

  test("gives the same bits twice, and in another order of rows the same to rounding", () => {
    const { rows, labels } = clouds(200, 3, 4, 1.5);
    const options = { ...exact, l2: 1e-2 };
    const model = fitLogistic(rows, labels, options);
    expect(fitLogistic(rows, labels, options)).toEqual(model);
    const order = shuffle([...rows.keys()], seededRandom(4));
    const other = fitLogistic(
      order.map((i) => rows[i]!),
      order.map((i) => labels[i]!),
      options,
    );
    for (const [i, w] of model.weights.entries()) expect(other.weights[i]).toBeCloseTo(w, 7);
  });

  test("begun at a fit of another l2, it ends at the same place sooner", () => {
    const { rows, labels } = clouds(200, 3, 4, 1.5);
    const [near, cold] = [
      fitLogistic(rows, labels, { ...exact, l2: 1.1e-2 }),
      fitLogistic(rows, labels, { ...exact, l2: 1e-2 }),
    ];
    const warm = fitLogistic(rows, labels, { ...exact, l2: 1e-2 }, near);
    expect(warm.iterations).toBeLessThan(cold.iterations);
    for (const [i, w] of cold.weights.entries()) expect(warm.weights[i]).toBeCloseTo(w, 6);
  });

  test("correlated features of other scales cost few iterations", () => {
    const { rows, labels } = clouds(400, 4, 6, 2);
    const skewed = rows.map((row) => row.map((v, i) => 10 ** (i - 3) * (v + 5 * row[0]!)));
    expect(fitLogistic(skewed, labels, { l2: 1e-8 }).iterations).toBeLessThan(60);
  });

  test("features that depend on each other, or never vary, are no obstacle", () => {
    const { rows, labels } = clouds(60, 3, 4, 3);
    const dependent = rows.map((row) => [...row, row[0]! + row[1]!, 1e6 * row[2]!, 7, 0]);
    const model = fitLogistic(dependent, labels, { l2: 1e-9 });
    expect(accuracy(model, dependent, labels)).toBeGreaterThan(0.9);
  });

  test("logits have mean 0 over the classes", () => {
    const { rows, labels } = clouds(90, 3, 4, 2);
    const logits = logitsOf(fitLogistic(rows, labels, { l2: 1e-2 }), rows[0]!);
    expect(Math.abs(logits.reduce((a, b) => a + b))).toBeLessThan(1e-9);
  });

  test("a class of a greater number than any before has a logit, however unlikely", () => {
    expect(fitLogistic([[0], [1]], [0, 2]).classes).toBe(3);
  });
});

describe("refuses", () => {
  test.each([
    ["one class", [[1], [2]], [0, 0], "all rows have the same class, expected at least two classes"],
    ["no rows", [], [], "there is no data, expected rows with at least one number"],
    ["rows without numbers", [[], []], [0, 1], "there is no data, expected rows with at least one number"],
    ["NaN", [[1], [Number.NaN]], [0, 1], "row 2 holds NaN, expected finite numbers"],
    ["an infinite number", [[Number.POSITIVE_INFINITY], [1]], [0, 1], "row 1 holds Infinity, expected finite numbers"],
    ["ragged rows", [[1, 2], [1]], [0, 1], "row 2 has 1 numbers, expected 2 as in row 1"],
    ["fewer labels", [[1], [2]], [0], "there are 2 rows and 1 labels, expected equal numbers"],
    ["an invalid class", [[1], [2]], [0, -1], "row 2 has the class -1, expected a whole number from 0 to 65535"],
  ])("%s", (_, rows, labels, message) => {
    expect(() => fitLogistic(rows, labels)).toThrow(new UserError(message));
  });

  test("options that make no sense", () => {
    expect(() => fitLogistic([[1], [2]], [0, 1], { l2: 0 })).toThrow(
      new UserError('"l2": must be more than 0 (got 0)'),
    );
  });
});
