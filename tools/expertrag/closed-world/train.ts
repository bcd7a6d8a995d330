/** Trains the closed world's decoder: `npx tsx tools/expertrag/closed-world/train.ts SEED OUT`. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, train } from "../../../src/index.ts";
import { architecture, writeVocabulary } from "./vocabulary.ts";
import { makeWorld, trainingData } from "./world.ts";

const [seedText = "0", out = ""] = process.argv.slice(2);
const seed = Number(seedText);
const [folder, data, vocabulary] = [join(out, "model"), join(out, "train.jsonl"), join(out, "vocabulary")];
const onStep = ({ step, loss }: { step: number; loss: number }) => {
  if (step % 20 === 0) process.stderr.write(`seed ${seed} step ${step} loss ${loss.toFixed(4)}\n`);
};

if (existsSync(folder)) await resumeTraining(folder, { onStep });
else {
  mkdirSync(out, { recursive: true });
  const lines = trainingData(makeWorld(seed), seed).map((sample) => JSON.stringify(sample));
  writeFileSync(data, `${lines.join("\n")}\n`);
  await writeVocabulary(vocabulary);
  await train(
    {
      architecture,
      tokenizer: vocabulary,
      data,
      packing: true,
      validation: 0.02,
      tokens: 128,
      batch: 8,
      epochs: 1,
      optimizer: { lr: 1.5e-3, beta2: 0.98, weightDecay: 0.05 },
      schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
      evaluateEvery: 200,
      evaluateBatches: 4,
      seed,
    },
    { out: folder, onStep },
  );
}
