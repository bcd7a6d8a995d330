/**
 * Tunes the attribute world's decoder with the cuts of `yopo` active, and asks it about pictures before and after: `npx
 * tsx research/visual-tokens/attributes/tune.ts START OUT [STEPS] [ARM …]`. START is the folder of a run of `train.ts`
 * on 12 × 12 cells. A stopped arm resumes; arms whose answers are in OUT are skipped.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { resumeTraining, type TrainInput, train } from "../../../src/index.ts";
import { makeScene, makeScenes, textOf } from "../../../src/lab/data/attributes/scene.ts";
import { IMAGE } from "../../../src/lab/data/attributes/words.ts";
import type { VisualSpan } from "../../../src/savings/plan.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { Attributes } from "./answers.ts";
import { type Asked, askedKinds, measure, questionOf, SEED, SIDE } from "./measure.ts";
import { RandomReader, tuneRandom } from "./random-keys.ts";
import { sample } from "./sample.ts";
import { type Arm, arms, STEPS } from "./tuned-arms.ts";

/** Rows of a step, and the places of a row: those of the first training. */
const [BATCH, TOKENS] = [4, 224];
const [DATA_SEED, NEW_PICTURES] = [120, 1000];
/** The first of the pictures that other recipes are asked about. */
const ASKED_PICTURES = 250;
/** A picture's cells follow its first word. */
const VISUAL: readonly VisualSpan[] = [{ first: 1, grid: [SIDE, SIDE + 1] }];

const [start = "", out = "", steps = String(STEPS), ...names] = process.argv.slice(2);
const data = join(out, "train.jsonl");

/** Writes pictures that the model was not trained on, with the places of their cells. */
function writeData(): void {
  const random = seededRandom(DATA_SEED);
  const lines = Array.from({ length: NEW_PICTURES }, () =>
    JSON.stringify({ ...sample(makeScene(SIDE, random), random), visual: VISUAL }),
  );
  writeFileSync(data, `${lines.join("\n")}\n`);
}

const options = ({ recipe }: Arm) =>
  ({
    model: join(start, "model"),
    ...(recipe !== undefined && { save: recipe }),
    data,
    validation: 0.01,
    ...{ tokens: TOKENS, batch: BATCH, steps: Number(steps) },
    optimizer: { lr: 1e-3, beta2: 0.98, weightDecay: 0.05 },
    schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
    evaluateEvery: 200,
    evaluateBatches: 4,
    saveEvery: 100,
    seed: DATA_SEED,
  }) satisfies TrainInput;

const onStep = ({ step, loss }: { step: number; loss: number }) => {
  if (step % 50 === 0) process.stderr.write(`step ${step} loss ${loss.toFixed(4)}\n`);
};

const folderOf = ({ name }: Arm): string => join(out, name);

async function tune(arm: Arm): Promise<void> {
  const folder = folderOf(arm);
  if (existsSync(join(folder, "model.safetensors"))) return;
  console.error(arm.name);
  if (arm.random !== undefined) await tuneRandom(options(arm), arm.random, folder, onStep);
  else if (existsSync(folder)) await resumeTraining(folder, { onStep });
  else await train(options(arm), { out: folder, onStep });
}

type Right = Record<Asked, string>;

/** Right answers under random keys, whether each token of the answer is the likeliest after those before it. */
async function randomAnswers(world: Attributes, radius: number): Promise<{ readonly right: Right }> {
  const right: Right = { where: "", whole: "", read: "" };
  using reader = new RandomReader(world.model, radius, VISUAL);
  for (const kind of askedKinds)
    for (const [i, scene] of makeScenes(SIDE, ASKED_PICTURES, SEED).entries()) {
      const { words, answer } = questionOf(scene, kind, i);
      const ids = Int32Array.from(world.model.tokenizer.encode(textOf([IMAGE, ...scene.cells, ...words, ...answer])));
      const first = ids.length - answer.length;
      const likeliest = await reader.likeliest(ids);
      right[kind] += answer.every((_, at) => likeliest[first + at - 1] === ids[first + at]) ? "1" : "0";
    }
  return { right };
}

/** The answers of a model under an arm's recipe, kept in a file. */
async function ask(model: string, { name, recipe, random }: Arm, when: "before" | "after"): Promise<void> {
  const file = join(out, "answers", `${name} ${when}.json`);
  if (existsSync(file)) return;
  using loaded = await LanguageModel.load(await resolveModel(model), "f32");
  const world = new Attributes(loaded);
  const cell = { page: "yopo", name, recipe: recipe === undefined ? [] : [recipe] } as const;
  const answers =
    random === undefined
      ? await measure(world, cell, makeScenes(SIDE, ASKED_PICTURES, SEED))
      : await randomAnswers(world, random);
  writeFileSync(file, JSON.stringify({ name, when, ...answers }));
  const share = (kind: Asked) => [...answers.right[kind]].filter((digit) => digit === "1").length / ASKED_PICTURES;
  console.error(when, name, askedKinds.map((kind) => `${kind} ${share(kind).toFixed(3)}`).join(" "));
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(join(out, "answers"), { recursive: true });
  if (!existsSync(data)) writeData();
  const some = names.length === 0 ? arms : arms.filter(({ name }) => names.includes(name));
  for (const arm of some) await tune(arm);
  for (const arm of some) {
    await ask(folderOf(arm), arm, "after");
    await ask(join(start, "model"), arm, "before");
  }
}
