/**
 * FreezeAsGuard in its worlds: `npx tsx tools/guard.ts shapes|digits OUT SEED…` publishes a model once, and for each seed
 * writes OUT/SEED.json with both roles under the learned mask and its controls. A seed that is done is left.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Experiment, publish } from "../src/lab/guard/experiment.ts";
import { digitWorld, shapeWorld } from "../src/lab/guard/world.ts";
import { writeJson } from "../src/util/write-whole.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";

const [name, out, ...seeds] = process.argv.slice(2);
if (out === undefined || seeds.length === 0 || (name !== "shapes" && name !== "digits"))
  throw new Error("usage: npx tsx tools/guard.ts shapes|digits OUT SEED…");
const world = name === "shapes" ? shapeWorld : await digitWorld();
const published = path.join(out, "published");
const began = performance.now();
const say = (what: string) => process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0)} s: ${what}\n`);
if (!existsSync(path.join(published, "model.safetensors"))) await publish(world, published, 0);
say("published");
for (const seed of seeds.map(Number)) {
  const file = path.join(out, `${seed}.json`);
  if (existsSync(file)) continue;
  const folder = path.join(out, `models-${seed}`);
  await mkdir(folder, { recursive: true });
  const roles = await new Experiment(world, openCheckpoint(published), seed, folder).run((what) =>
    say(`seed ${seed}, ${what}`),
  );
  await writeJson(file, { world: name, seed, roles });
}
