/**
 * Trains RegionSpot's bridges and measures them against crop-and-classify and mean pooling, with their controls:
 *
 *     npx tsx tools/regionspot.ts MODEL LOCALISER TRAINING.jsonl HELD-OUT.jsonl WORK [STEPS] [RESULTS]
 *
 * Bridges take STEPS (1500) steps each. Results are written into RESULTS (docs/results/regionspot); what is there is not measured again.
 */
import { join } from "node:path";
import { runGates } from "./regionspot/run.ts";
import { root } from "./section.ts";

const [model, localiser, training, heldOut, work, steps = "1500", results] = process.argv.slice(2);
if (!model || !localiser || !training || !heldOut || !work)
  throw new Error("expected two folders, two files and a folder");
const out = results ?? join(root, "docs/results/regionspot");
await runGates({ model, localiser, training, heldOut, work, steps: Number(steps), out });
