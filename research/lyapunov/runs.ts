import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, train } from "../../src/index.ts";
import { folderOf, optionsOf, type Place, type Run } from "./arms.ts";

/** Trains unless it is done; returns the run's folder. An adapter's `base` is the folder of the model that it adapts. */
export async function trained(run: Run, place: Place, base = ""): Promise<string> {
  const folder = join(place.out, folderOf(run));
  if (existsSync(join(folder, "receipt.json"))) return folder;
  process.stderr.write(`${new Date().toISOString()} ${folderOf(run)}\n`);
  if (existsSync(folder)) await resumeTraining(folder);
  else await train(optionsOf(run, place, base), { out: folder });
  return folder;
}

/** The held-out loss at a run's end. */
export function lossOf(folder: string): number {
  const last = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n").at(-1)!;
  return JSON.parse(last).validation;
}
