/**
 * Writes questions about scenes, for models that see:
 *
 *     npx tsx tools/vlm-tiny/data.ts --out DIR --count 1000 [--split train|test] [--seed 0]
 *
 * DIR/questions.jsonl has a scene a line: { image, questions: [{ kind, prompt, answer }] }, the questions of two draws
 * in any order. Digits are answered one by one ("3 8 5").
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { sceneOptions } from "../../src/lab/data/scenes/options.ts";
import { openPictures } from "../../src/lab/data/scenes/pictures.ts";
import { drawScene, type Scene } from "../../src/lab/data/scenes/scene.ts";
import { questionsOf, type SceneQuestion } from "../../src/lab/data/scenes/words.ts";
import { seedOf } from "../../src/lab/data/scenes/write.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { fillWhole } from "../../src/util/write-whole.ts";

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

const options = sceneOptions.parse({});
const set = { split, count: Number(values.count), seed: Number(values.seed) } as const;

/** Questions of two draws, each once. */
function questionsAbout(scene: Scene, seed: number): SceneQuestion[] {
  const all = [seed, seed + 2 ** 29].flatMap((draw) => questionsOf(scene, options, draw));
  const once = all.filter(({ prompt }, i) => all.findIndex((other) => other.prompt === prompt) === i);
  return shuffle(once, seededRandom(seed)).map((it) =>
    it.kind === "digits" ? { ...it, answer: [...it.answer].join(" ") } : it,
  );
}

const pictures = await openPictures(split, { onNotice: (sentence) => console.error(sentence) });
await mkdir(join(out, "images"), { recursive: true });
await fillWhole(join(out, "questions.jsonl"), async (file) => {
  for (let i = 0; i < set.count; i++) {
    const scene = drawScene(pictures, options, seedOf(set, i));
    const image = `images/${String(i).padStart(6, "0")}.png`;
    const raw = { width: scene.size, height: scene.size, channels: 3 } as const;
    await sharp(scene.rgb, { raw }).png({ compressionLevel: 2 }).toFile(join(out, image));
    await file.write(`${JSON.stringify({ image, questions: questionsAbout(scene, seedOf(set, i)) })}\n`);
  }
});
