/**
 * Trains the attribute world's decoder on pictures of SIDE × SIDE cells: `npx tsx
 * research/visual-tokens/attributes/train.ts SIDE STEPS OUT [START]`, from random weights or from those of an earlier
 * run. A stopped run resumes.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, type TrainInput, train } from "../../../src/index.ts";
import { makeScene } from "../../../src/lab/data/attributes/scene.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { sample } from "./sample.ts";
import { architecture, writeWords } from "./vocabulary.ts";

/** Tokens of a batch, about: smaller pictures come in larger batches. */
const BATCH_TOKENS = 1000;
/** Pictures of a size; a longer run sees them again. */
const PICTURES = 4000;

const [side, steps] = process.argv.slice(2, 4).map(Number) as [number, number];
const [out = "", start] = process.argv.slice(4);
const [folder, data, vocabulary] = [join(out, "model"), join(out, "train.jsonl"), join(out, "vocabulary")];

async function options(): Promise<TrainInput> {
  const seed = side;
  const random = seededRandom(seed);
  mkdirSync(out, { recursive: true });
  const first = sample(makeScene(side, random), random);
  const words = first.messages
    .map(({ content }) => content)
    .join("")
    .split(" ");
  const tokens = 16 * Math.ceil(words.length / 16);
  const batch = Math.floor(BATCH_TOKENS / tokens);
  const lines = Array.from({ length: Math.min(PICTURES, Math.ceil(1.02 * steps * batch)) }, () =>
    JSON.stringify(sample(makeScene(side, random), random)),
  );
  writeFileSync(data, `${lines.join("\n")}\n`);
  await writeWords(vocabulary);
  return {
    architecture,
    tokenizer: vocabulary,
    data,
    ...(start && { start: join(start, "model") }),
    validation: 0.01,
    ...{ tokens, batch, steps },
    optimizer: { lr: 2e-3, beta2: 0.98, weightDecay: 0.05 },
    schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
    evaluateEvery: 200,
    evaluateBatches: 4,
    saveEvery: 100,
    seed,
  };
}

const onStep = ({ step, loss }: { step: number; loss: number }) => {
  if (step % 20 === 0) process.stderr.write(`step ${step} loss ${loss.toFixed(4)}\n`);
};
if (existsSync(folder)) await resumeTraining(folder, { onStep });
else await train(await options(), { out: folder, onStep });
