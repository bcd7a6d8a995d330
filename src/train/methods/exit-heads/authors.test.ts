/** Compares labels, decisions and loss with the results of SEC's own code. */
import { expect, test } from "vitest";
import { actionOf, actionProbabilities } from "../../../savings/depth/exits/decide.ts";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { controllerLabels, exitWeights, firstRight } from "./labels.ts";

interface Fixture {
  /** By exit and token. */
  labels: { right: number[][]; first: number[]; labels: number[][] }[];
  decisions: { seed: number; stop: number; exit: number; actions: string[] }[];
  losses: { seed: number; labels: number[][]; loss: number }[];
}
const fixture = authorsFixture<Fixture>("authors.json", import.meta.url);

test.each(fixture.labels)("labels of $right.length exits", ({ right, first, labels }) => {
  const bytes = right.map((row) => Uint8Array.from(row));
  expect([...firstRight(bytes)]).toEqual(first);
  expect(controllerLabels(bytes).map((row) => [...row])).toEqual(labels);
});

test.each(fixture.decisions)("stop above $stop, exit above $exit", ({ seed, actions, ...thresholds }) => {
  const logits = numbers(seed, 3 * actions.length).map((x) => 3 * x);
  const own = actions.map((_, i) => actionOf(logits.subarray(3 * i, 3 * i + 3), thresholds));
  expect(own).toEqual(actions);
});

test.each(fixture.losses)("an exit's loss weighs as much as its number", ({ seed, labels, loss }) => {
  const tokens = labels[0]!.length;
  const logits = numbers(seed + 1, 3 * tokens * labels.length).map((x) => 3 * x);
  const meanOf = (row: number[], exit: number) =>
    row.reduce((sum, label, token) => {
      const at = 3 * (exit * tokens + token);
      return sum - Math.log(actionProbabilities(logits.subarray(at, at + 3))[label]!) / tokens;
    }, 0);
  const weights = exitWeights(labels.length, "latest-heavy");
  const own = labels.reduce((sum, row, exit) => sum + weights[exit]! * meanOf(row, exit), 0);
  expect(farthest([own], [loss])).toBeLessThanOrEqual(1e-5);
});
