import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { captionOf } from "../../../src/lab/data/scenes/words.ts";
import { type SceneRow, type SceneSet, seedOf, writeImages } from "../../../src/lab/data/scenes/write.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { fillWhole } from "../../../src/util/write-whole.ts";
import { drawShapeScene, type ShapeScene } from "./scene.ts";

/** A line of a file of shapes. */
export type ShapeRow = Omit<SceneRow, "questions">;

/** Writes scenes of shapes as PNG files and `scenes.jsonl`, a line each, into a folder. */
export async function writeShapes(out: string, set: SceneSet): Promise<void> {
  await mkdir(join(out, "images"), { recursive: true });
  await fillWhole(join(out, "scenes.jsonl"), async (file) => {
    for (let i = 0; i < set.count; i++) {
      const seed = seedOf(set, i);
      const scene = drawShapeScene(seed);
      const paths = await writeImages(out, String(i).padStart(6, "0"), scene);
      const row: ShapeRow = {
        ...paths,
        boxes: scene.objects.map(({ box }) => box),
        labels: scene.objects.map(({ label }) => label),
        caption: shapeCaption(scene, seed),
      };
      await file.write(`${JSON.stringify(row)}\n`);
    }
  });
}

/** Names all objects in an order that says nothing: that in which they are drawn would tell which is in front. */
export function shapeCaption(scene: ShapeScene, seed: number): string {
  const objects = shuffle([...scene.objects], seededRandom(seed + 1));
  return captionOf({ ...scene, objects }, seed);
}
