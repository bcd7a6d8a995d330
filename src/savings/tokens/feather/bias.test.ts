/**
 * Tests rotary embedding's bias towards late tokens without training: queries and keys are drawn around a common
 * direction. FEATHER (arXiv 2412.13180) predicts the result; the construction is this project's own.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { CELLS, GAP, inOrder, PlantedBias, reversedRows } from "./planted-bias.testing.ts";

let planted: PlantedBias;
beforeAll(async () => {
  planted = await PlantedBias.create();
});
afterAll(() => planted[Symbol.dispose]());

test("rows at the bottom are favoured with the rotary embedding, and not without it", async () => {
  const { rotary, none } = await planted.bias(1, inOrder);
  expect(rotary).toBeGreaterThanOrEqual(0.58);
  expect(Math.abs(none - 0.5)).toBeLessThanOrEqual(0.03);
});

test("with the rows in reverse order, those at the top", async () => {
  const { rotary, none } = await planted.bias(1, reversedRows);
  expect(rotary).toBeLessThanOrEqual(0.42);
  expect(Math.abs(none - 0.5)).toBeLessThanOrEqual(0.03);
});

test("without a common direction there is no bias", async () => {
  const { rotary, none } = await planted.bias(0, inOrder);
  for (const row of [rotary, none]) expect(Math.abs(row - 0.5)).toBeLessThanOrEqual(0.03);
});

const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
const normal = () => normals(seededRandom(6));

test("without rotary, scores do not depend on positions; with it, on distances alone", async () => {
  const [one, other] = [
    await planted.scores(0.5, inOrder, normal()),
    await planted.scores(0.5, reversedRows, normal()),
  ];
  expect(worst(one.none, other.none)).toBeLessThan(1e-6);
  expect(worst(one.rotary, other.rotary)).toBeGreaterThan(1e-3);
  const later = await planted.scores(0.5, (cell) => inOrder(cell) + 50, normal(), { queryPosition: CELLS + GAP + 50 });
  expect(worst(one.rotary, later.rotary)).toBeLessThan(1e-5);
});

test("a query of zeros finds all tokens alike", async () => {
  const { rotary, none } = await planted.scores(0.5, inOrder, normal(), { factor: 0 });
  for (const score of [...rotary, ...none]) expect(score).toBeCloseTo(1 / CELLS, 6);
});
