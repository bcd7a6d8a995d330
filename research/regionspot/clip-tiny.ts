/**
 * Measures a small CLIP on held-out scenes: `npx tsx research/regionspot/clip-tiny.ts MODEL HELD-OUT.jsonl [WORLD]`, WORLD being what they
 * show, drawings (default) or shapes. Prints one JSON object, and writes research/regionspot/results/clip-tiny.json, or shapes/clip.json.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ImageTextModel } from "../../src/engine/encoders/image-text/image-text-model.ts";
import { labelVectors } from "../../src/engine/images/regions/labels.ts";
import { logitsOf } from "../../src/pipelines/recognize/recognize.ts";
import { readPairs, shuffledPairs } from "../../src/train/methods/pairs/data.ts";
import { readScenes } from "../../src/train/methods/regions/scenes.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { root } from "../../tools/section.ts";
import { worldOf } from "./worlds.ts";

/** The number of captions among which a picture must find its own. */
const AMONG = 64;

const argmax = (values: readonly number[]): number => values.indexOf(Math.max(...values));

const [name, file, world = "drawings"] = process.argv.slice(2);
const { labels: allLabels } = worldOf(world);
if (!name || !file) throw new Error("expected a model and a file of held-out scenes");
const model = await ImageTextModel.load(await resolveModel(name));
const result = { labels: await lone(file), captions: await captions(file) };
const out = join(root, "research/regionspot/results", world === "drawings" ? "clip-tiny.json" : `${world}/clip.json`);
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result));
model[Symbol.dispose]();

/** Pictures of one object, by all labels. */
async function lone(scenes: string) {
  const all = readScenes(scenes).filter(({ labels }) => labels.length === 1);
  const texts = await labelVectors(model, allLabels);
  const { answers } = await model.embed(all.map(({ image }) => ({ image })));
  const found = answers.map((vector) => allLabels[argmax(logitsOf(vector, texts.values, 1))]!);
  const right = (same: (found: string, own: string) => boolean) =>
    all.filter(({ labels }, i) => same(found[i]!, labels[0]!)).length / all.length;
  const drawing = (label: string) => label.split(" ").at(-1);
  return {
    ...{ pictures: all.length, among: allLabels.length, chance: 1 / allLabels.length },
    accuracy: right((a, b) => a === b),
    // The last word of a label is the drawing or the shape.
    drawingAlone: right((a, b) => drawing(a) === drawing(b)),
  };
}

/** Each picture's own caption among those of its group, and a wrong one under the control. */
async function captions(scenes: string) {
  const pairs = readPairs([scenes]);
  const own = await retrieved(pairs);
  return { among: AMONG, chance: 1 / AMONG, accuracy: own, shuffled: await retrieved(shuffledPairs(pairs, 0)) };
}

async function retrieved(pairs: ReturnType<typeof readPairs>): Promise<number> {
  const { answers } = await model.embed([
    ...pairs.map(({ caption }) => caption),
    ...pairs.map(({ image }) => ({ image })),
  ]);
  const [texts, images] = [answers.slice(0, pairs.length), answers.slice(pairs.length)];
  let [right, all] = [0, 0];
  for (let from = 0; from + AMONG <= pairs.length; from += AMONG) {
    const group = texts.slice(from, from + AMONG);
    for (let i = from; i < from + AMONG; i++) {
      const scores = group.map((text) => text.reduce((sum, v, d) => sum + v * images[i]![d]!, 0));
      right += pairs[from + argmax(scores)]!.caption === pairs[i]!.caption ? 1 : 0;
      all++;
    }
  }
  return right / all;
}
