/**
 * Trains the closed world's decoder: `npx tsx research/expertrag/closed-world/train.ts base BASE`, which learns to
 * read, then `… SEED OUT BASE` for a seed from 1, which learns a world's facts from there. A stopped run resumes. A
 * last word names another of the decoders in arms.ts.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, type TrainInput, train } from "../../../src/index.ts";
import { arms, isArm } from "./arms.ts";
import { writeWords } from "./vocabulary.ts";
import { baseData, worldData } from "./world.ts";

const [which = "base", out = "", ...more] = process.argv.slice(2);
const arm = more.find(isArm) ?? "dense";
const base = more.find((word) => !isArm(word)) ?? "";
const [folder, data, vocabulary] = [join(out, "model"), join(out, "train.jsonl"), join(out, "vocabulary")];

async function options(): Promise<TrainInput> {
  const lines = which === "base" ? baseData() : worldData(Number(which));
  mkdirSync(out, { recursive: true });
  writeFileSync(data, `${lines.map((sample) => JSON.stringify(sample)).join("\n")}\n`);
  await writeWords(vocabulary);
  return {
    ...arms[arm],
    tokenizer: vocabulary,
    data,
    ...(which !== "base" && { start: join(base, "model") }),
    packing: true,
    validation: 0.02,
    tokens: 128,
    batch: 8,
    epochs: 1,
    optimizer: { lr: 1.5e-3, beta2: 0.98, weightDecay: 0.05 },
    schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
    evaluateEvery: 200,
    evaluateBatches: 4,
    saveEvery: 200,
    seed: which === "base" ? 0 : Number(which),
  };
}

const onStep = ({ step, loss }: { step: number; loss: number }) => {
  if (step % 20 === 0) process.stderr.write(`${which} step ${step} loss ${loss.toFixed(4)}\n`);
};
if (existsSync(folder)) await resumeTraining(folder, { onStep });
else await train(await options(), { out: folder, onStep });
