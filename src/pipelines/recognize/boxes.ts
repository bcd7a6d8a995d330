import type { Box } from "../../engine/images/regions/box.ts";
import { UserError } from "../../util/errors.ts";

/** Maximum boxes per picture, since each region attends to all others. */
export const MOST_BOXES = 1000;

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Converts pixel boxes, left, top, right and bottom, to fractions of the picture's sides.
 * @throws UserError for a box that is not four numbers, lies outside the picture, or has no area
 */
export function sharesOf(boxes: readonly (readonly number[])[], { width, height }: Size): Box[] {
  if (boxes.length === 0) throw new UserError("boxes: none given; expected at least one box, or auto", 2);
  if (boxes.length > MOST_BOXES)
    throw new UserError(`boxes: there are ${boxes.length}, expected at most ${MOST_BOXES}`, 2);
  return boxes.map((box, i) => {
    const refuse = (reason: string) => {
      throw new UserError(`box ${i + 1} is [${box.join(", ")}], ${reason}`, 2);
    };
    const [left, top, right, bottom] = box as [number, number, number, number];
    if (box.length !== 4 || !box.every(Number.isFinite)) refuse("expected left, top, right and bottom");
    if (right <= left || bottom <= top) refuse("which has no area; expected left < right and top < bottom");
    if (left < 0 || top < 0 || right > width || bottom > height)
      refuse(`which is not inside the picture of ${width} × ${height} pixels`);
    return [left / width, top / height, right / width, bottom / height];
  });
}

/** Converts a box from fractions to pixels, rounded to a tenth. */
export const inPixels = ([left, top, right, bottom]: Box, { width, height }: Size): Box => {
  const tenth = (value: number) => Math.round(value * 10) / 10;
  return [tenth(left * width), tenth(top * height), tenth(right * width), tenth(bottom * height)];
};
