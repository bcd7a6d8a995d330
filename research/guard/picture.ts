/**
 * Draws images with a seed's fine-tuned models: `npx tsx research/guard/picture.ts shapes|digits OUT/models-0 PUBLISHED
 * PICTURE.png`. One row per model, the first new class on the left and the second on the right, each with the same
 * noise in every row.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { encodePng, load, type Picture } from "../../src/index.ts";
import { newDigits, shapeWorld } from "./world.ts";

const [world, folder, published, out] = process.argv.slice(2);
if (folder === undefined || published === undefined || out === undefined || (world !== "shapes" && world !== "digits"))
  throw new Error("usage: npx tsx research/guard/picture.ts shapes|digits MODELS PUBLISHED PICTURE.png");
const EACH = 10;
const [PIXEL, GAP] = [4, 2];
const fresh = world === "shapes" ? shapeWorld.fresh : newDigits;
const masked = fresh.flatMap((illegal) => [`${illegal}-learned`, `${illegal}-random-by-parameters-1`]);
const models = [published, ...["full", ...masked].map((name) => path.join(folder, name))];

async function rowOf(name: string): Promise<Picture[]> {
  if (!existsSync(name)) throw new Error(`${name}: there is no such model`);
  using model = await load(name);
  const sides = [];
  for (const label of fresh) sides.push((await model.imagine({ class: label, n: EACH, steps: 50, seed: 1 })).images);
  return sides.flat();
}

/** Pictures of one size in a grid, each pixel a square. */
function sheet(rows: readonly (readonly Picture[])[]): Picture {
  const side = rows[0]![0]!.width * PIXEL + GAP;
  const [width, height] = [rows[0]!.length * side + GAP, rows.length * side + GAP];
  const data = new Uint8Array(width * height).fill(96);
  for (const [row, pictures] of rows.entries())
    for (const [column, { width: own, data: bytes }] of pictures.entries())
      for (let y = 0; y < side - GAP; y++)
        for (let x = 0; x < side - GAP; x++)
          data[(row * side + GAP + y) * width + column * side + GAP + x] =
            bytes[Math.floor(y / PIXEL) * own + Math.floor(x / PIXEL)]!;
  return { width, height, channels: 1, data };
}

const rows = [];
for (const model of models) rows.push(await rowOf(model));
await writeFile(out, await encodePng(sheet(rows)));
process.stdout.write(`${models.map((model) => path.basename(model)).join(", ")} in ${out}\n`);
