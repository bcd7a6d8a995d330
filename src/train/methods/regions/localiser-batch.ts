import { readImage } from "../../../engine/images/pixels/input.ts";
import { CHANNELS, type Pixels } from "../../../engine/images/pixels/pixels.ts";
import { normalisePixels, sized } from "../../../engine/images/pixels/processor.ts";
import { type Box, overlap } from "../../../engine/images/regions/box.ts";
import { squareProcessor } from "../../../engine/images/regions/localiser-runner.ts";
import { BOX_NUMBERS, boxCells, boxNumbers, cellOrder } from "../../../models/own-networks/localiser.ts";
import type { DataInputs } from "../../whole/given-buffers.ts";
import { type RegionScene, readMasks, sharesOf } from "./scenes.ts";

/** The sizes of a batch. */
export interface LocaliserBatch {
  readonly imageSize: number;
  /** The number of cells along a mask's side; `cells` is the number along a patch's side. */
  readonly side: number;
  readonly cells: number;
  /** Boxes per picture. */
  readonly regions: number;
}

/** The minimum overlap for a box to count as an object's box. */
const OF_AN_OBJECT = 0.5;

/** Draws random boxes for a scene, within its picture's size. */
export function drawBoxes(
  { boxes }: Pick<RegionScene, "boxes">,
  size: Pick<Pixels, "width" | "height">,
  count: number,
  random: () => number,
): Box[] {
  const objects = sharesOf(boxes, size);
  return Array.from({ length: count }, () => drawBox(objects, random));
}

/** Builds the tensors of a batch of scenes; `random` draws the boxes, scene by scene. */
export async function localiserBatch(
  scenes: readonly RegionScene[],
  sizes: LocaliserBatch,
  random: () => number,
): Promise<DataInputs> {
  const { imageSize, side, regions } = sizes;
  const [count, cells] = [scenes.length, side * side];
  const pixels = new Float32Array(count * CHANNELS * imageSize ** 2);
  const boxes = new Float32Array(count * regions * BOX_NUMBERS);
  const [right, covered] = [new Float32Array(count * regions * cells), new Float32Array(count * regions * cells)];
  const [weight, fit] = [new Float32Array(count * regions), new Float32Array(count * regions)];
  const processor = squareProcessor(imageSize);
  const read = await Promise.all(
    scenes.map(async (scene) => ({ picture: await readImage(scene, 0), masks: await readMasks(scene) })),
  );
  for (const [i, { picture, masks }] of read.entries()) {
    pixels.set(normalisePixels(await sized(picture, processor), processor), i * CHANNELS * imageSize ** 2);
    const objects = sharesOf(scenes[i]!.boxes, picture);
    for (const [r, box] of drawBoxes(scenes[i]!, picture, regions, random).entries()) {
      const at = i * regions + r;
      const overlaps = objects.map((object) => overlap(box, object));
      const best = overlaps.indexOf(Math.max(...overlaps));
      boxes.set(boxNumbers(box), at * BOX_NUMBERS);
      covered.set(boxCells(box, side, sizes.cells), at * cells);
      fit[at] = overlaps[best]!;
      weight[at] = overlaps[best]! >= OF_AN_OBJECT ? 1 : 0;
      right.set(maskCells(masks, best + 1, sizes), at * cells);
    }
  }
  return {
    pixels: { dtype: "f32", shape: [count, CHANNELS, imageSize, imageSize], values: pixels },
    boxes: { dtype: "f32", shape: [count, regions, BOX_NUMBERS], values: boxes },
    covered: { dtype: "f32", shape: [count, regions, cells], values: covered },
    right: { dtype: "f32", shape: [count, regions, cells], values: right },
    weight: { dtype: "f32", shape: [count, regions], values: weight },
    fit: { dtype: "f32", shape: [count, regions], values: fit },
  };
}

/**
 * Draws a box. Three in four surround an object, with each edge moved by up to a tenth of the box's side,
 * sometimes by up to half; the others lie anywhere.
 */
function drawBox(objects: readonly Box[], random: () => number): Box {
  if (random() < 0.25) return anyBox(random);
  const [left, top, right, bottom] = objects[Math.floor(random() * objects.length)]!;
  const amount = random() < 0.3 ? 0.5 : 0.1;
  const moved = (edge: number, side: number) => Math.min(1, Math.max(0, edge + amount * side * (2 * random() - 1)));
  const [width, height] = [right - left, bottom - top];
  const box: Box = [moved(left, width), moved(top, height), moved(right, width), moved(bottom, height)];
  return box[2] > box[0] && box[3] > box[1] ? box : anyBox(random);
}

function anyBox(random: () => number): Box {
  const [width, height] = [0.1 + 0.8 * random(), 0.1 + 0.8 * random()];
  const [left, top] = [random() * (1 - width), random() * (1 - height)];
  return [left, top, left + width, top + height];
}

/** The share of each cell that the object covers, in the localiser's cell order. */
function maskCells(masks: Pixels, number: number, { side, cells }: LocaliserBatch): Float32Array {
  const shares = new Float32Array(side * side);
  const { width, height, data } = masks;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (data[(y * width + x) * CHANNELS] === number)
        shares[Math.floor((y * side) / height) * side + Math.floor((x * side) / width)]!++;
  const whole = (width * height) / (side * side);
  return Float32Array.from(cellOrder(side, cells), (at) => Math.min(1, shares[at]! / whole));
}
