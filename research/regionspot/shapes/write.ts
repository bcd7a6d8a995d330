import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { labelsOf } from "../../../src/lab/data/scenes/scene.ts";
import { captionOf } from "../../../src/lab/data/scenes/words.ts";
import { type SceneRow, type SceneSet, seedOf, writeImages } from "../../../src/lab/data/scenes/write.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { fillWhole } from "../../../src/util/write-whole.ts";
import { drawShapeScene, type ShapeScene } from "./scene.ts";
import { TWINS, twin } from "./twins.ts";

/** A line of `scenes.jsonl`. */
export type ShapeRow = Omit<SceneRow, "questions">;

/** The share of textures, and of colours, that captions of `groups.jsonl` omit. */
const UNTOLD = 0.25;

/**
 * Writes scenes of shapes as PNG files and a line each into `scenes.jsonl` and `groups.jsonl`, which has captions alone, grouped by the
 * number of objects: among lone ones, few have the same colour and texture, so that a caption is only found by the shape, too. These captions
 * leave words out, as people do: a text encoder that only ever reads three words of an object need not tell what each adds.
 */
export async function writeShapes(out: string, set: SceneSet): Promise<void> {
  await mkdir(join(out, "images"), { recursive: true });
  await fillWhole(join(out, "scenes.jsonl"), (scenes) =>
    fillWhole(join(out, "groups.jsonl"), async (groups) => {
      for (let i = 0; i < set.count; i++) {
        const seed = seedOf(set, i);
        const row = await writeShape(out, String(i).padStart(6, "0"), seed);
        await scenes.write(`${JSON.stringify(row)}\n`);
        await groups.write(`${JSON.stringify(grouped(briefly(row, seed)))}\n`);
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
  const labels = labelsOf(scene);
  return {
    ...(await writeImages(out, name, scene)),
    boxes: objects.map(({ box }) => box),
    labels,
    caption: shapeCaption(labels, seed),
  };
}

/** A pair for a CLIP's training; captions of one key mean the same. */
const grouped = ({ image, caption, labels }: ShapeRow) => ({
  ...{ image, caption, key: labels.toSorted().join(", "), group: `${labels.length}` },
});

/** Names all objects in random order: the drawing order would reveal which is in front. */
export const shapeCaption = (labels: readonly string[], seed: number): string =>
  captionOf(shuffle([...labels], seededRandom(seed + 1)), seed);

/** A row whose labels and caption leave out some textures and colours. */
export function briefly(row: ShapeRow, seed: number): ShapeRow {
  const random = seededRandom(seed + 2);
  const labels = row.labels.map((label) => {
    const [texture, colour, shape] = label.split(" ") as [string, string, string];
    const words = [texture, colour].filter(() => random() >= UNTOLD);
    return [...words, shape].join(" ");
  });
  return { ...row, labels, caption: shapeCaption(labels, seed) };
}
