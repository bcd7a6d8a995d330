/**
 * Writes scenes made of real pictures (drawings and handwritten digits, fetched from npm and PyPI, and drawings of a folder) for models that see:
 *
 *     npx tsx tools/scenes.ts --out DIR --count 1000 [--split train|test] [--seed 0] [--set layout=free --set most=3 …]
 *
 * DIR/scenes.jsonl has a scene a line: { image, masks, boxes, labels, caption, questions: [{ kind, prompt, answer }] }.
 * `--set` takes the options of src/lab/data/scenes/options.ts.
 */
import { parseArgs } from "node:util";
import { sceneOptions } from "../src/lab/data/scenes/options.ts";
import { writeScenes } from "../src/lab/data/scenes/write.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    count: { type: "string", default: "1000" },
    split: { type: "string", default: "train" },
    seed: { type: "string", default: "0" },
    set: { type: "string", multiple: true, default: [] },
  },
});
const { out, split } = values;
if (out === undefined) throw new Error("expected --out DIR");
if (split !== "train" && split !== "test") throw new Error(`--split is ${split}, expected train or test`);

const set = { split, count: Number(values.count), seed: Number(values.seed) } as const;
const options = sceneOptions.parse(Object.fromEntries(values.set.map((field) => field.split("="))));
await writeScenes(out, set, options, { onNotice: (sentence) => console.error(sentence) });
