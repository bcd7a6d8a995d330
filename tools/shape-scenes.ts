/**
 * Writes scenes of 1 to 6 shapes, 8 shapes × 8 colours × 3 textures, in the form of tools/scenes.ts without questions:
 *
 *     npx tsx tools/shape-scenes.ts --out DIR --count 1000 [--split train|test] [--seed 0]
 */
import { parseArgs } from "node:util";
import { writeShapes } from "./regionspot/shapes/write.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    count: { type: "string", default: "1000" },
    split: { type: "string", default: "train" },
    seed: { type: "string", default: "0" },
  },
});
const { out, split } = values;
if (out === undefined) throw new Error("expected --out DIR");
if (split !== "train" && split !== "test") throw new Error(`--split is ${split}, expected train or test`);
await writeShapes(out, { split, count: Number(values.count), seed: Number(values.seed) });
