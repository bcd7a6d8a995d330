import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fillWhole } from "../../../util/write-whole.ts";
import type { PullOptions } from "../../../weights/sources/plan.ts";
import type { SceneOptions } from "./options.ts";
import { namesOf, openPictures, type Pictures, type SceneSplit } from "./pictures.ts";
import { drawScene, labelsOf, type Scene } from "./scene.ts";
import { captionOf, questionsOf, type SceneQuestion } from "./words.ts";

/** A line of `scenes.jsonl`; paths are relative to the file's folder. */
export interface SceneRow {
  readonly image: string;
  /** A grey picture: each pixel is its object's number, from 1 on; 0 for the background. */
  readonly masks: string;
  /** An object's left, top, right and bottom edges in pixels, the last two exclusive. */
  readonly boxes: readonly (readonly number[])[];
  readonly labels: readonly string[];
  readonly caption: string;
  readonly questions: readonly SceneQuestion[];
}

/** A split's scenes. Different splits share no scenes and no handwriting; different seeds share no scenes. */
export interface SceneSet {
  readonly split: SceneSplit;
  readonly count: number;
  /** From 0 to 2^20. */
  readonly seed: number;
}

/** The seed of one scene in a set. */
export const seedOf = ({ split, seed }: SceneSet, index: number): number =>
  (split === "test" ? 2 ** 50 : 0) + seed * 2 ** 30 + index;

/**
 * Writes scenes as PNG files and `scenes.jsonl`, one line each, into a folder.
 * @throws UserError if the pictures cannot be fetched or the folder cannot be written
 */
export const writeScenes = async (out: string, set: SceneSet, options: SceneOptions, pull: PullOptions = {}) =>
  writeScenesOf(await openPictures(set.split, options, pull), out, set, options);

/** Like `writeScenes`, but takes any pictures. */
export async function writeScenesOf(pictures: Pictures, out: string, set: SceneSet, options: SceneOptions) {
  await mkdir(join(out, "images"), { recursive: true });
  const names = namesOf(pictures);
  await fillWhole(join(out, "scenes.jsonl"), async (file) => {
    for (let i = 0; i < set.count; i++) {
      const seed = seedOf(set, i);
      const scene = drawScene(pictures, options, seed);
      const paths = await writeImages(out, String(i).padStart(6, "0"), scene);
      await file.write(`${JSON.stringify(rowOf(scene, paths, names, seed))}\n`);
    }
  });
}

const rowOf = (
  scene: Scene,
  paths: Pick<SceneRow, "image" | "masks">,
  names: readonly string[],
  seed: number,
): SceneRow => ({
  ...paths,
  boxes: scene.objects.map(({ box }) => box),
  labels: labelsOf(scene),
  caption: captionOf(labelsOf(scene), seed),
  questions: questionsOf(scene, names, seed),
});

/** Writes a scene's picture and masks; returns their paths relative to the folder. */
export async function writeImages(out: string, name: string, { size, rgb, owner }: Scene) {
  const { default: sharp } = await import("sharp");
  const [image, masks] = [`images/${name}.png`, `images/${name}-masks.png`];
  const raw = (channels: 1 | 3) => ({ raw: { width: size, height: size, channels } });
  await sharp(rgb, raw(3)).png({ compressionLevel: 4 }).toFile(join(out, image));
  await sharp(owner, raw(1)).png({ compressionLevel: 4 }).toFile(join(out, masks));
  return { image, masks };
}
