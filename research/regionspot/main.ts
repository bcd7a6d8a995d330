/**
 * Trains RegionSpot's bridges and measures them against crop-and-classify and mean pooling, with their controls:
 *
 * npx tsx research/regionspot/main.ts MODEL LOCALISER TRAINING.jsonl HELD-OUT.jsonl WORK [STEPS] [WORLD] [RESULTS]
 *
 * Bridges take STEPS (1500) steps each. WORLD is what the scenes show: drawings (default) or shapes. Results are
 * written into RESULTS (research/regionspot/results, or its folder of the world); existing results are not measured
 * again.
 */
import { join } from "node:path";
import { root } from "../../tools/section.ts";
import { runGates } from "./run.ts";
import { worldOf } from "./worlds.ts";

const [model, localiser, training, heldOut, work, steps = "1500", name = "drawings", results] = process.argv.slice(2);
if (!model || !localiser || !training || !heldOut || !work)
  throw new Error("expected two folders, two files and a folder");
const world = worldOf(name);
const out = results ?? join(root, world.results);
await runGates({ world, model, localiser, training, heldOut, work, steps: Number(steps), out });
