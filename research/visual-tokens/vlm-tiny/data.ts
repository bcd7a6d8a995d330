/**
 * Writes questions about scenes, for models that see:
 *
 * npx tsx research/visual-tokens/vlm-tiny/data.ts --out DIR --count 1000 [--split train|test] [--seed 0] [--set most=2
 * …]
 *
 * DIR/questions.jsonl has a scene a line: { image, questions: [{ kind, prompt, answer }] }, in any order. No question
 * gives away another's answer: an object is asked about once. Digits are answered one by one ("3 8 5"). `--set` takes
 * the options of src/lab/data/scenes/options.ts.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { plural } from "../../../src/lab/data/scenes/drawings.ts";
import { namesOf, openPictures } from "../../../src/lab/data/scenes/pictures.ts";
import { drawScene, type Scene } from "../../../src/lab/data/scenes/scene.ts";
import { questionsOf, type SceneQuestion } from "../../../src/lab/data/scenes/words.ts";
import { seedOf } from "../../../src/lab/data/scenes/write.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { fillWhole } from "../../../src/util/write-whole.ts";
import { sceneArguments } from "../../regionspot/scene-arguments.ts";

const { out, set, options } = sceneArguments();

/** Draws of questions that a scene is asked from. */
const DRAWS = 6;

/** Questions from several draws, none of which gives away another's answer. */
function questionsAbout(scene: Scene, seed: number): SceneQuestion[] {
  const draws = Array.from({ length: DRAWS }, (_, i) => questionsOf(scene, names, seed + i * 2 ** 28)).flat();
  const answers = new Set<string>();
  return shuffle(draws, seededRandom(seed)).flatMap((question) => {
    const tells = ownFacts(question);
    if (tells.some((it) => answers.has(it))) return [];
    for (const it of tells) answers.add(it);
    return [question.kind === "digits" ? { ...question, answer: [...question.answer].join(" ") } : question];
  });
}

/** The fact that a question and its answer tell: a drawing's name, a place, or the number. */
function ownFacts({ kind, prompt, answer }: SceneQuestion): string[] {
  switch (kind) {
    case "where":
      return [prompt.slice("where is the ".length, -1), answer];
    case "which":
      return [prompt.slice("what is at the ".length, -1), answer];
    case "count":
      return ["count", singulars.get(prompt.slice("how many ".length, -" are there?".length))!];
    case "digits":
      return [prompt];
  }
}

const pictures = await openPictures(set.split, options, { onNotice: (sentence) => console.error(sentence) });
const names = namesOf(pictures);
const singulars = new Map(names.map((name) => [plural(name), name]));

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
