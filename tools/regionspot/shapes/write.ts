import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { captionOf } from "../../../src/lab/data/scenes/words.ts";
import { type SceneRow, type SceneSet, seedOf, writeImages } from "../../../src/lab/data/scenes/write.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { fillWhole } from "../../../src/util/write-whole.ts";
import { drawShapeScene, type ShapeScene } from "./scene.ts";
import { TWINS, twin } from "./twins.ts";

/** A line of `scenes.jsonl`. */
export type ShapeRow = Omit<SceneRow, "questions">;

/**
 * Writes scenes of shapes as PNG files and a line each into `scenes.jsonl` and `groups.jsonl`, which has captions alone, grouped by the
 * number of objects: among lone ones, few have the same colour and texture, so that a caption is only found by the shape, too.
 */
export async function writeShapes(out: string, set: SceneSet): Promise<void> {
  await mkdir(join(out, "images"), { recursive: true });
  await fillWhole(join(out, "scenes.jsonl"), (scenes) =>
    fillWhole(join(out, "groups.jsonl"), async (groups) => {
      for (let i = 0; i < set.count; i++) {
        const row = await writeShape(out, String(i).padStart(6, "0"), seedOf(set, i));
        await scenes.write(`${JSON.stringify(row)}\n`);
        await groups.write(`${JSON.stringify(grouped(row))}\n`);
      }
    }),
  );
}

/** Writes scenes that are hard to tell apart as PNG files and a line each into `twins.jsonl`, TWINS of each group. */
export async function writeTwins(out: string, set: SceneSet, most: number): Promise<void> {
  await mkdir(join(out, "images"), { recursive: true });
  await fillWhole(join(out, "twins.jsonl"), async (twins) => {
    for (let i = 0; i < set.count; i++) {
      const group = Math.floor(i / TWINS);
      const seed = seedOf(set, i);
      const scene = drawShapeScene(seed, () => twin(seed - (i % TWINS), i % TWINS, most));
      const row = await writeShape(out, `twin-${String(i).padStart(6, "0")}`, seed, scene);
      await twins.write(`${JSON.stringify({ ...grouped(row), group: `twins ${set.seed} ${group}` })}\n`);
    }
  });
}

async function writeShape(
  out: string,
  name: string,
  seed: number,
  scene: ShapeScene = drawShapeScene(seed),
): Promise<ShapeRow> {
  const { objects } = scene;
  return {
    ...(await writeImages(out, name, scene)),
    boxes: objects.map(({ box }) => box),
    labels: objects.map(({ label }) => label),
    caption: shapeCaption(scene, seed),
  };
}

/** A pair for a CLIP's training; captions of one key mean the same. */
const grouped = ({ image, caption, labels }: ShapeRow) => ({
  ...{ image, caption, key: labels.toSorted().join(", "), group: `${labels.length}` },
});

/** Names all objects in an order that says nothing: that in which they are drawn would tell which is in front. */
export function shapeCaption(scene: ShapeScene, seed: number): string {
  const objects = shuffle([...scene.objects], seededRandom(seed + 1));
  return captionOf({ ...scene, objects }, seed);
}
