/**
 * FreezeAsGuard in its worlds: `npx tsx research/guard/main.ts shapes|digits OUT SEED… [--ratios R,…] [--steps N]`
 * publishes a model once, and for each seed writes OUT/SEED.json with both roles under the learned mask and its
 * controls. With --ratios it writes OUT/ratios/R-SEED.json for each share of frozen tensors. A stopped run resumes;
 * --steps shortens all trainings, for trials.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeJson } from "../../src/util/write-whole.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { Experiment, publish, usualSteps } from "./experiment.ts";
import { digitWorld, shapeWorld } from "./world.ts";

const options = { ratios: { type: "string" }, steps: { type: "string" } } as const;
const { positionals, values } = parseArgs({ allowPositionals: true, options });
const [name, out, ...seeds] = positionals;
if (out === undefined || seeds.length === 0 || (name !== "shapes" && name !== "digits"))
  throw new Error("usage: npx tsx research/guard/main.ts shapes|digits OUT SEED… [--ratios R,…] [--steps N]");
const few = Number(values.steps);
const steps = values.steps === undefined ? usualSteps : { published: few, relearned: few, mask: few, user: few };
const world = name === "shapes" ? shapeWorld : await digitWorld();
const published = path.join(out, "published");
const began = performance.now();
const say = (what: string) => process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0)} s: ${what}\n`);
if (!existsSync(path.join(published, "model.safetensors"))) await publish(world, published, 0, steps);
say("published");

/** Runs a seed, unless its file is there. */
async function run(seed: number, file: string, folder: string, ratio?: number): Promise<void> {
  if (existsSync(file)) return;
  await mkdir(folder, { recursive: true });
  await mkdir(path.dirname(file), { recursive: true });
  const experiment = new Experiment(world, openCheckpoint(published), { seed, folder, steps, ratio });
  const label = ratio === undefined ? `seed ${seed}` : `seed ${seed}, ratio ${ratio}`;
  const roles = await experiment.run((what) => say(`${label}, ${what}`));
  await writeJson(file, { world: name, seed, ...(ratio !== undefined && { ratio }), roles });
}

for (const seed of seeds.map(Number)) {
  if (values.ratios === undefined) await run(seed, path.join(out, `${seed}.json`), path.join(out, `models-${seed}`));
  for (const ratio of values.ratios?.split(",").map(Number) ?? []) {
    const key = `${ratio}-${seed}`;
    await run(seed, path.join(out, "ratios", `${key}.json`), path.join(out, `models-${key}`), ratio);
  }
}
