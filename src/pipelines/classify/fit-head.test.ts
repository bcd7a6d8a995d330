import { describe, expect, test } from "vitest";
import { logitsOf } from "../../util/logistic.ts";
import { seededRandom } from "../../util/random.ts";
import { fitHead, type LabelledRows } from "./fit-head.ts";

/** Rows of three features on different scales: the first decides the label, the second is noise, the third is constant. */
function rowsOf(count: number, seed: number): LabelledRows {
  const random = seededRandom(seed);
  const labels = Array.from({ length: count }, (_, i) => i % 3);
  return { labels, rows: labels.map((label) => [1000 * (label + random() - 0.5), random() / 1000, 7]) };
}

const accuracy = (linear: ReturnType<typeof fitHead>["linear"], { rows, labels }: LabelledRows): number => {
  const right = rows.filter((row, i) => {
    const logits = logitsOf(linear, row);
    return logits.indexOf(Math.max(...logits)) === labels[i];
  });
  return right.length / rows.length;
};

const [train, held] = [rowsOf(300, 1), rowsOf(150, 2)];

test("reads plain features, whatever their scales", () => {
  const { linear } = fitHead(train, held);
  expect(accuracy(linear, held)).toBeGreaterThan(0.95);
  expect([...linear.weights, ...linear.bias].every(Number.isFinite)).toBe(true);
});

test("is reproducible", () => {
  expect(fitHead(train, held)).toEqual(fitHead(train, held));
});

test("chooses strong L2 if labels are noise, weak if they are certain", () => {
  const random = seededRandom(5);
  const noise = (count: number): LabelledRows => {
    const rows = Array.from({ length: count }, () => Array.from({ length: 40 }, random));
    return { rows, labels: rows.map((_, i) => i % 2) };
  };
  expect(fitHead(noise(60), noise(60)).l2).toBe(0.3);
  expect(fitHead(train, held).l2).toBeLessThan(0.01);
});

describe("refuses", () => {
  test("held-out rows with an unseen label", () => {
    const some = { rows: train.rows.slice(0, 2), labels: [0, 1] };
    expect(() => fitHead(some, held)).toThrow("label 2 is in held-out rows, but in no training row");
  });

  test("rows of one label", () => {
    expect(() => fitHead({ rows: [[1], [2]], labels: [0, 0] }, { rows: [[1]], labels: [0] })).toThrow(
      /have the same class/,
    );
  });
});
