import { expect, test } from "vitest";
import { drawShapes, shapeNames } from "./drawings/shapes.ts";
import { inverse, randomByParameters, randomByTensors } from "./masks.ts";
import { adaptation } from "./score.ts";
import { shapeWorld } from "./world.ts";

const tensors = Array.from({ length: 40 }, (_, i) => ({ name: `t${i}`, size: i % 4 === 0 ? 900 + 37 * i : 8 + i }));
const all = tensors.reduce((sum, { size }) => sum + size, 0);
const parametersOf = (names: ReadonlySet<string>) =>
  tensors.filter(({ name }) => names.has(name)).reduce((sum, { size }) => sum + size, 0);

test.each([0.2, 0.5, 0.9])("random masks have as many tensors, and the share %d of the parameters", (share) => {
  const draws = [1, 2, 3].map((seed) => randomByParameters(tensors, 16, share * all, seed));
  for (const mask of draws) {
    expect(mask.size).toBe(16);
    expect(Math.abs(parametersOf(mask) / all - share)).toBeLessThan(0.02);
  }
  expect(draws[0]).not.toEqual(draws[1]);
  expect(randomByTensors(tensors, 16, 1).size).toBe(16);
});

test("the inverse mask has the least shares", () => {
  const shares = new Map([
    ["a", 0.9],
    ["b", 0.1],
    ["c", 0.4],
  ] as const);
  expect([...inverse(shares, 2)]).toEqual(["b", "c"]);
});

test("adaptation is the share of what is learned without a mask", () => {
  expect(adaptation({ published: 0.5, fullyTuned: 0.1, tuned: 0.2 })).toBeCloseTo(0.75, 12);
});

test("shapes differ from each other and from draw to draw; no part of a world has another's", () => {
  const first = shapeNames.map((name) => drawShapes(name, 2, 0));
  const pictures = first.flat().map(({ bytes }) => bytes.join());
  expect(new Set(pictures).size).toBe(2 * shapeNames.length);
  expect(drawShapes("ring", 1, 4)).toEqual(drawShapes("ring", 1, 4));
  const seen = new Set<string>();
  for (const seed of [0, 1])
    for (const part of ["publisher", "user", "test"] as const)
      for (const { bytes } of shapeWorld.drawings("ring", part, seed)) seen.add(bytes.join());
  expect(seen.size).toBe(2 * 3 * 200);
});
