import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { controllerLabels, exitWeights, firstRight, NO_PLACE, relaxedLabels } from "./labels.ts";

/** The guesses of four exits on four tokens, as in SEC b.3's worked example; the last exit is the whole model. */
const truth = [7, 3, 9, 2];
const guesses = [
  [7, 1, 1, 1],
  [7, 3, 1, 1],
  [5, 3, 1, 1],
  [7, 3, 1, 2],
];
const right = guesses.map((exit) => Uint8Array.from(exit, (guess, t) => (guess === truth[t] ? 1 : 0)));

test("labels of SEC's worked example", () => {
  expect([...firstRight(right)]).toEqual([1, 2, 0, 4]);
  expect(controllerLabels(right).map((exit) => [...exit])).toEqual([
    [1, 2, 0, 2],
    [1, 1, 0, 2],
    [1, 1, 0, 2],
    [1, 1, 0, 1],
  ]);
});

test("an exit label stays exit at deeper layers, a stop label holds at all, and no last layer continues", () => {
  const random = seededRandom(1);
  const some = Array.from({ length: 5 }, () => Uint8Array.from({ length: 300 }, () => (random() < 0.3 ? 1 : 0)));
  const labels = controllerLabels(some);
  for (let t = 0; t < 300; t++) {
    const all = labels.map((exit) => exit[t]!);
    for (const [i, label] of all.entries())
      if (label === 1) expect(all.slice(i).every((each) => each === 1)).toBe(true);
    expect(all.includes(0)).toBe(all.every((label) => label === 0));
    expect(all.at(-1)).not.toBe(2);
  }
});

test("a strict label is also a relaxed one; the positive rate grows with k, up to all", () => {
  const random = seededRandom(2);
  const places = Uint8Array.from({ length: 500 }, () => (random() < 0.2 ? NO_PLACE : Math.floor(random() * 10)));
  const by = [1, 3, 5, 10].map((k) => relaxedLabels({ places }, k));
  for (const [i, labels] of by.slice(1).entries())
    for (let t = 0; t < places.length; t++) expect(labels[t]!).toBeGreaterThanOrEqual(by[i]![t]!);
  const rates = by.map((labels) => labels.reduce((sum, label) => sum + label, 0));
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  expect(rates[0]).toBeLessThan(rates[3]!);
  const whole = Uint8Array.from({ length: 40 }, (_, t) => t);
  expect(relaxedLabels({ places: whole }, 40)).toEqual(new Uint8Array(40).fill(1));
});

test("weights of three exits", () => {
  expect(exitWeights(3, "latest-heavy")).toEqual([1 / 6, 2 / 6, 3 / 6]);
  expect(exitWeights(3, "earliest-heavy")).toEqual([3 / 6, 2 / 6, 1 / 6]);
});
