import { type Box, inside, overlap } from "../../engine/images/regions/box.ts";
import type { LocaliserRunner } from "../../engine/images/regions/localiser-runner.ts";
import type { Floats } from "../../engine/images/regions/runner.ts";
import type { RecognizeOptions } from "./options.ts";

/** A box around an object, and how well it fits. */
export interface Proposal {
  readonly box: Box;
  readonly fit: number;
}

/** The first boxes' sizes, as fractions of the picture, and their distance, as a fraction of their size. */
const SIDES = [0.2, 0.3, 0.45, 0.65, 0.9];
const STEP = 0.4;

/** The number of initial boxes to refine. */
const AGAIN = 60;

/** Two boxes show the same object if their overlap, or the share of the smaller box in the other, reaches its limit. */
const SAME = { overlap: 0.5, inside: 0.7 };

const isSame = (a: Box, b: Box): boolean => overlap(a, b) >= SAME.overlap || inside(a, b) >= SAME.inside;

/** Squares of several sizes all over the picture. */
const squares: readonly Box[] = SIDES.flatMap((side) => {
  const steps = Math.max(1, Math.ceil((1 - side) / (side * STEP)));
  const starts = Array.from({ length: steps + 1 }, (_, i) => ((1 - side) * i) / steps);
  return starts.flatMap((top) => starts.map((left): Box => [left, top, left + side, top + side]));
});

/**
 * Finds objects of any class: tries boxes all over the picture, replaces the best ones with the boxes around their
 * masks, and keeps the best fit of each object.
 */
export async function propose(
  runner: LocaliserRunner,
  features: Floats,
  { most, fit }: RecognizeOptions,
): Promise<{ readonly proposals: Proposal[]; readonly tried: number }> {
  const first = await runner.regions(features, squares);
  const order = [...squares.keys()].sort((a, b) => first.fits[b]! - first.fits[a]!).slice(0, AGAIN);
  const around = order.map((i) => boxAround(first.masks, i, runner.side)).filter((box) => box !== undefined);
  if (around.length === 0) return { proposals: [], tried: squares.length };
  const second = await runner.regions(features, around);
  const proposals = around.map((box, i): Proposal => ({ box, fit: second.fits[i]! })).filter((one) => one.fit >= fit);
  return { proposals: best(proposals).slice(0, most), tried: squares.length + around.length };
}

/** The best of the proposals, at most one for each object. */
function best(proposals: readonly Proposal[]): Proposal[] {
  const distinct: Proposal[] = [];
  for (const one of proposals.toSorted((a, b) => b.fit - a.fit))
    if (distinct.every(({ box }) => !isSame(box, one.box))) distinct.push(one);
  return distinct;
}

/** The box around a mask's cells, as fractions; undefined if the mask is empty. */
function boxAround(masks: Float32Array, region: number, side: number): Box | undefined {
  let [left, top, right, bottom] = [side, side, 0, 0];
  for (let at = 0; at < side * side; at++) {
    if (masks[region * side * side + at]! <= 0) continue;
    const [x, y] = [at % side, Math.floor(at / side)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  }
  return right === 0 ? undefined : [left / side, top / side, right / side, bottom / side];
}
