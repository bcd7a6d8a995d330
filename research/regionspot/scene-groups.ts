/**
 * Groups scenes for a CLIP's training: pictures of one object by its colour, so that the drawing alone tells them apart,
 * and a third of all batches of several objects.
 *
 *     npx tsx research/regionspot/scene-groups.ts FOLDER… > groups.jsonl
 *
 * Prints a line a scene, { image, caption, key, group }, paths as the folders are given.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tints } from "../../src/lab/data/scenes/options.ts";
import type { SceneRow } from "../../src/lab/data/scenes/write.ts";

/** Scenes of several objects for each one of one object. */
const OTHERS = 0.5;

const rows = process.argv.slice(2).flatMap((folder) =>
  readFileSync(join(folder, "scenes.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const row: SceneRow = JSON.parse(line);
      return { ...row, image: join(folder, row.image) };
    }),
);
const lone = rows.filter(({ labels }) => labels.length === 1);
const several = rows.filter(({ labels }) => labels.length > 1).slice(0, OTHERS * lone.length);
for (const { image, caption, labels } of lone) {
  const [colour = ""] = labels[0]!.split(" ");
  console.log(JSON.stringify({ image, caption, key: labels[0], group: colour in tints ? colour : "plain" }));
}
for (const { image, caption } of several) console.log(JSON.stringify({ image, caption }));
