/**
 * Tunes the attribute world's decoder with the cuts of `yopo` active, and asks it about pictures before and after: `npx tsx
 * tools/attributes/tune.ts START OUT [STEPS] [ARM …]`. START is the folder of a run of `train.ts` on 12 × 12 cells. An arm that was stopped goes
 * on; one whose answers are in OUT is passed over.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LanguageModel } from "../../src/engine/language-model.ts";
import { resumeTraining, type TrainInput, train } from "../../src/index.ts";
import { makeScene, makeScenes, textOf } from "../../src/lab/data/attributes/scene.ts";
import { IMAGE } from "../../src/lab/data/attributes/words.ts";
import { seededRandom } from "../../src/util/random.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { Attributes } from "./answers.ts";
import { askedKinds, measure, PICTURES, SEED, SIDE } from "./measure.ts";
import { sample } from "./sample.ts";
import { type Arm, arms, STEPS } from "./tuned-arms.ts";

/** Rows of a step, and the places of a row: those of the first training. */
const [BATCH, TOKENS] = [4, 224];
const DATA_SEED = 120;

const [start = "", out = "", steps = String(STEPS), ...names] = process.argv.slice(2);
const data = join(out, "train.jsonl");

/** Writes pictures that the model was not trained on, with the places of their cells. */
function writeData(): void {
  const random = seededRandom(DATA_SEED);
  const visual = [{ first: textOf([IMAGE]).split(" ").length - 1, grid: [SIDE, SIDE + 1] }];
  const lines = Array.from({ length: Math.ceil(1.02 * Number(steps) * BATCH) }, () =>
    JSON.stringify({ ...sample(makeScene(SIDE, random), random), visual }),
  );
  writeFileSync(data, `${lines.join("\n")}\n`);
}

const options = ({ recipe }: Arm): TrainInput => ({
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
});

const onStep = ({ step, loss }: { step: number; loss: number }) => {
  if (step % 50 === 0) process.stderr.write(`step ${step} loss ${loss.toFixed(4)}\n`);
};

async function tuned(arm: Arm): Promise<string> {
  const folder = join(out, arm.name);
  if (existsSync(join(folder, "receipt.json"))) return folder;
  if (existsSync(folder)) await resumeTraining(folder, { onStep });
  else await train(options(arm), { out: folder, onStep });
  return folder;
}

/** The answers of a model under an arm's recipe, kept in a file. */
async function ask(model: string, { name, recipe }: Arm, when: "before" | "after"): Promise<void> {
  const file = join(out, "answers", `${name} ${when}.json`);
  if (existsSync(file)) return;
  const loaded = await LanguageModel.load(await resolveModel(model), "f32");
  const cell = { page: "yopo", name, recipe: recipe === undefined ? [] : [recipe] } as const;
  const answers = await measure(new Attributes(loaded), cell, makeScenes(SIDE, PICTURES, SEED));
  loaded[Symbol.dispose]();
  writeFileSync(file, JSON.stringify({ name, when, ...answers }));
  const share = (kind: (typeof askedKinds)[number]) =>
    [...answers.right[kind]].filter((digit) => digit === "1").length / PICTURES;
  console.error(when, name, askedKinds.map((kind) => `${kind} ${share(kind).toFixed(3)}`).join(" "));
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(join(out, "answers"), { recursive: true });
  if (!existsSync(data)) writeData();
  for (const arm of names.length === 0 ? arms : arms.filter(({ name }) => names.includes(name))) {
    await ask(join(start, "model"), arm, "before");
    await ask(await tuned(arm), arm, "after");
  }
}
