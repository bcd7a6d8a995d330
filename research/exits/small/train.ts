/**
 * Trains the small model of exits from random weights: `npx tsx research/exits/small/train.ts SEED OUT [llama|mamba2]`.
 * A stopped run resumes.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resumeTraining, type TrainInput, train } from "../../../src/index.ts";
import { makeTexts } from "./texts.ts";

const [seed = "1", out = "", type = "llama"] = process.argv.slice(2);
const [folder, data] = [join(out, "model"), join(out, "train.jsonl")];

/** Texts of one epoch. */
const TEXTS = 12_000;

/** Eight layers of width 160 and 2.5 million parameters each. */
const ARCHITECTURES: Readonly<Record<string, TrainInput["architecture"]>> = {
  llama: {
    ...{ model_type: "llama", hidden_size: 160, intermediate_size: 432, num_hidden_layers: 8 },
    ...{ num_attention_heads: 5, num_key_value_heads: 5, max_position_embeddings: 256, rms_norm_eps: 1e-5 },
    ...{ rope_theta: 10_000, hidden_act: "silu", tie_word_embeddings: true },
  },
  mamba2: {
    ...{ model_type: "mamba2", hidden_size: 160, num_hidden_layers: 8, expand: 4, num_heads: 20, head_dim: 32 },
    ...{ state_size: 32, n_groups: 1, tie_word_embeddings: true },
  },
};

const architecture = ARCHITECTURES[type];
if (architecture === undefined) throw new Error(`expected llama or mamba2, got ${type}`);
const options: TrainInput = {
  method: "exits:layers=all,weights=linear",
  architecture,
  data,
  validation: 0.01,
  tokens: 192,
  batch: 8,
  epochs: 1,
  optimizer: { lr: 2e-3, beta2: 0.98, weightDecay: 0.05 },
  schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
  evaluateEvery: 200,
  evaluateBatches: 10,
  saveEvery: 100,
  seed: Number(seed),
};

const onStep = ({
  step,
  steps,
  loss,
  validation,
}: {
  step: number;
  steps: number;
  loss: number;
  validation?: number;
}) => {
  if (step % 20 === 0 || step < 5)
    process.stderr.write(
      `step ${step} of ${steps} loss ${loss.toFixed(4)} ${validation ? `held out ${validation.toFixed(4)}` : ""}\n`,
    );
};
if (existsSync(folder)) await resumeTraining(folder, { onStep });
else {
  mkdirSync(out, { recursive: true });
  const lines = makeTexts(1000 + Number(seed), TEXTS).map(({ text }) => JSON.stringify({ text }));
  writeFileSync(data, `${lines.join("\n")}\n`);
  await train(options, { out: folder, onStep, onNotice: (notice: string) => process.stderr.write(`${notice}\n`) });
}
