/**
 * Makes vlm-tiny from nothing but packages and clip-tiny: data, three trainings, `packages/models/vlm-tiny` and its figures. Data
 * and trainings that a folder holds already are used or resumed.
 *
 *     npx tsx research/visual-tokens/vlm-tiny/make.ts DIR [--single 1000] [--steps 1500] [--further 1800]
 *
 * `--single` are the steps of the first training, on pictures of one thing; `--steps` those of the second, on pictures
 * of one to five; `--further` those of the third, which has more of both.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../../../tools/section.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    single: { type: "string", default: "1000" },
    steps: { type: "string", default: "1500" },
    further: { type: "string", default: "1800" },
  },
});
const [dir] = positionals;
if (dir === undefined) throw new Error("expected a folder for data and runs");

const tsx = (...args: string[]) => execFileSync("npx", ["tsx", ...args], { cwd: root, stdio: "inherit" });
const inDir = (name: string) => join(dir, name);

/** Writes a set of scenes, unless it is there. */
function data(name: string, ...options: string[]): string {
  const file = inDir(`${name}/questions.jsonl`);
  if (!existsSync(file))
    tsx("research/visual-tokens/vlm-tiny/data.ts", "--out", inDir(name), "--count", "8000", ...options);
  return file;
}

/** Trains, or resumes a stopped run. */
function train(name: string, options: object): string {
  const out = inDir(name);
  if (existsSync(join(out, "model.safetensors"))) return out;
  const config = inDir(`${name}.json`);
  writeFileSync(config, JSON.stringify(options));
  const begun = existsSync(join(out, "checkpoints"));
  tsx("src/cli/main.ts", "train", ...(begun ? ["--resume", out] : [config, "--out", out]));
  return out;
}

const scenes = data("scenes");
const simple = data("simple", "--seed", "1", "--set", "most=2", "--set", "clutter=0");
const single = data("single", "--seed", "3", "--set", "most=1", "--set", "clutter=0.3");

const { architecture, ...usual } = JSON.parse(
  readFileSync(join(root, "research/visual-tokens/vlm-tiny/train.json"), "utf8"),
);
const { tokenizer, ...further } = usual;
const words = inDir("words.jsonl");
// The tokenizer is of all words; one picture is enough to make a model.
const lines = [scenes, simple, single].map((file) => readFileSync(file, "utf8")).join("");
writeFileSync(words, lines.replaceAll(/"image":"[^"]*"/g, '"image":"scenes/images/000000.png"'));
const blind = train("blind", { ...usual, architecture, data: [words], steps: 1, validation: 0 });
const seeing = inDir("seeing");
if (!existsSync(seeing)) tsx("research/visual-tokens/vlm-tiny/eyes.ts", blind, "models/clip-tiny", seeing);
const schedule = { name: "cosine", warmup: 0.1, minimum: 0.3 };
const first = train("first", { ...further, model: seeing, data: [single], steps: Number(values.single), schedule });
const sets = [scenes, simple, single];
const second = train("vlm", { ...further, model: first, data: sets, steps: Number(values.steps) });
const more = [
  data("scenes-more", "--seed", "5"),
  data("single-more", "--seed", "6", "--set", "most=1", "--set", "clutter=0.3"),
];
/** The first rate unlearned in 600 steps what the second training had learned. */
const optimizer = { ...further.optimizer, lr: 0.0007 };
const third = { ...further, model: second, data: [...sets, ...more], steps: Number(values.further), optimizer };
tsx("research/common/ship-model.ts", train("further", third), "vlm-tiny");
tsx("research/visual-tokens/vlm-tiny/measure.ts", "packages/models/vlm-tiny");
