import { expect, test } from "vitest";
import { inside, overlap } from "../../engine/images/regions/box.ts";
import { UserError } from "../../util/errors.ts";
import { inPixels, sharesOf } from "./boxes.ts";

const size = { width: 200, height: 100 };

test("boxes become fractions of the sides, and pixels again", () => {
  const [box] = sharesOf([[20, 10, 60, 90]], size);
  expect(box).toEqual([0.1, 0.1, 0.3, 0.9]);
  expect(inPixels(box!, size)).toEqual([20, 10, 60, 90]);
});

test.each([
  [[], /none given; expected at least one box, or auto/],
  [[[0, 0, 9]], /box 1 is \[0, 0, 9\], expected left, top, right and bottom/],
  [[[0, 0, 9, Number.NaN]], /box 1 is .*expected left, top, right and bottom/],
  [
    [
      [1, 1, 2, 2],
      [5, 5, 5, 9],
    ],
    /box 2 is \[5, 5, 5, 9\], which has no area; expected left < right and top < bottom/,
  ],
  [[[9, 5, 3, 9]], /which has no area/],
  [[[-1, 0, 9, 9]], /which is not inside the picture of 200 × 100 pixels/],
  [[[0, 0, 201, 9]], /which is not inside the picture/],
  [Array.from({ length: 1001 }, () => [0, 0, 1, 1]), /there are 1001, expected at most 1000/],
])("%j is refused", (boxes, sentence) => {
  expect(() => sharesOf(boxes, size)).toThrow(UserError);
  expect(() => sharesOf(boxes, size)).toThrow(sentence);
});

test("overlap is the intersection over the union", () => {
  expect(overlap([0, 0, 0.5, 1], [0.25, 0, 0.75, 1])).toBeCloseTo(1 / 3);
  expect(overlap([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1])).toBe(0);
  expect(inside([0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5])).toBe(1);
  expect(inside([0.25, 0, 1, 1], [0, 0, 0.5, 1])).toBe(0.5);
});
