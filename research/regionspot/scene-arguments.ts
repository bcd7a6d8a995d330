import { parseArgs } from "node:util";
import { type SceneOptions, sceneOptions } from "../../src/lab/data/scenes/options.ts";
import type { SceneSet } from "../../src/lab/data/scenes/write.ts";

/** The folder and the set of scenes that a command line asks for: --out DIR [--count 1000] [--split train|test] [--seed 0] [--set name=value …]. */
export function sceneArguments(): { out: string; set: SceneSet; options: SceneOptions } {
  const { values } = parseArgs({
    options: {
      out: { type: "string" },
      count: { type: "string", default: "1000" },
      split: { type: "string", default: "train" },
      seed: { type: "string", default: "0" },
      set: { type: "string", multiple: true, default: [] },
    },
  });
  const { out, split, count, seed } = values;
  if (out === undefined) throw new Error("expected --out DIR");
  if (split !== "train" && split !== "test") throw new Error(`--split is ${split}, expected train or test`);
  const options = sceneOptions.parse(Object.fromEntries(values.set.map((field) => field.split("="))));
  return { out, set: { split, count: Number(count), seed: Number(seed) }, options };
}
