import { readImage } from "../../../engine/images/pixels/input.ts";
import { CHANNELS } from "../../../engine/images/pixels/pixels.ts";
import { openLocaliser } from "../../../engine/images/regions/localiser-file.ts";
import { LocaliserRunner } from "../../../engine/images/regions/localiser-runner.ts";
import { type RegionScene, readMasks, sharesOf } from "./scenes.ts";

/** The mean overlap between the masks of a folder's localiser and the objects' own masks. */
export async function measureMasks(folder: string, scenes: readonly RegionScene[]): Promise<number> {
  using runner = await LocaliserRunner.compile(openLocaliser(folder).localiser);
  const overlaps: number[] = [];
  for (const scene of scenes) {
    const picture = await readImage(scene, 0);
    const masks = await readMasks(scene);
    const regions = await runner.regions(await runner.look(picture), sharesOf(scene.boxes, picture));
    const { side } = runner;
    for (const i of scene.boxes.keys()) {
      const drawn = regions.masks.subarray(i * side * side, (i + 1) * side * side);
      overlaps.push(overlapOf(drawn, side, masks, i + 1));
    }
  }
  return overlaps.reduce((sum, one) => sum + one, 0) / overlaps.length;
}

/** The number of pixels in both masks, divided by the number of pixels in at least one. */
function overlapOf(
  drawn: Float32Array,
  side: number,
  { width, height, data }: { width: number; height: number; data: Uint8Array },
  number: number,
): number {
  let [both, either] = [0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const own = data[(y * width + x) * CHANNELS] === number;
      const inside = drawn[Math.floor((y * side) / height) * side + Math.floor((x * side) / width)]! > 0;
      both += own && inside ? 1 : 0;
      either += own || inside ? 1 : 0;
    }
  return either === 0 ? 0 : both / either;
}
