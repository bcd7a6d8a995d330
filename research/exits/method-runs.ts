/**
 * Trains small models with and without losses at inner layers, three seeds each, and measures what their layers know:
 * `npx tsx research/exits/method-runs.ts FOLDER`. Each run adds a line to research/exits/results/runs.jsonl; finished
 * runs are skipped.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { load, resumeTraining, type TrainInput, train } from "../../src/index.ts";
import { positiveRate } from "../../src/train/methods/exit-heads/classifier-metrics.ts";
import { openFrozen } from "../../src/train/methods/exit-heads/model-head.ts";
import { modelRight, positionsOf } from "../../src/train/methods/exit-heads/training-states.ts";
import { root } from "../../tools/section.ts";
import { guessesOf, positionsWhere } from "./small/rules.ts";
import { statesOf } from "./small/states.ts";
import { makeTexts } from "./small/texts.ts";

/** A run as it was measured. */
export interface MethodRun {
  /** The weights of the layers' losses; "none": only the last layer's loss. */
  readonly arm: string;
  readonly seed: number;
  /** Held-out nats per character of the last layer. */
  readonly loss: number;
  /** Share of answers' characters that the head predicts right, by layer. */
  readonly right: readonly number[];
  /** The share of them at which it agrees with the last layer. */
  readonly agree: readonly number[];
  readonly flops: { readonly dense: number; readonly spent: number; readonly overhead: number };
}

const ARMS = ["none", "linear", "layerskip", "uniform"];
const SEEDS = [1, 2, 3];
const TEXTS = 4000;
export const RUNS = "research/exits/results/runs.jsonl";

const optionsOf = (arm: string, seed: number, data: string): TrainInput => ({
  ...(arm !== "none" && { method: `exits:weights=${arm}` }),
  architecture: {
    ...{ model_type: "llama", hidden_size: 64, intermediate_size: 176, num_hidden_layers: 6 },
    ...{ num_attention_heads: 2, num_key_value_heads: 2, max_position_embeddings: 256, rms_norm_eps: 1e-5 },
    ...{ rope_theta: 10_000, hidden_act: "silu", tie_word_embeddings: true },
  },
  ...{ data, validation: 0.02, tokens: 192, batch: 8, epochs: 1, seed },
  optimizer: { lr: 3e-3, beta2: 0.98, weightDecay: 0.05 },
  schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
  ...{ evaluateEvery: 100, evaluateBatches: 10, saveEvery: 100 },
});

async function run(arm: string, seed: number, folder: string): Promise<MethodRun> {
  const [data, out] = [join(folder, `texts-${seed}.jsonl`), join(folder, `${arm}-${seed}`)];
  mkdirSync(folder, { recursive: true });
  const lines = makeTexts(2000 + seed, TEXTS).map(({ text }) => JSON.stringify({ text }));
  writeFileSync(data, `${lines.join("\n")}\n`);
  const { receipt, loss } = existsSync(out)
    ? await resumeTraining(out, {})
    : await train(optionsOf(arm, seed, data), { out });
  const { dense, spent, overhead } = receipt.flops;
  return { arm, seed, loss: loss.best, ...(await known(out)), flops: { dense, spent, overhead } };
}

/** Right choices of the head after each layer, on texts of the test part. */
async function known(folder: string): Promise<Pick<MethodRun, "right" | "agree">> {
  using model = await load(folder);
  const states = await statesOf(model.language!, undefined, { training: 1, calibration: 1, test: 300 });
  const guesses = await guessesOf(await openFrozen(model.language!.source.path, "auto"), states);
  const [from] = positionsOf(states.corpus, states.corpus.ranges.test);
  const answerPositions = positionsWhere(states, (at) => states.asked[at] === 1);
  const share = (hit: (at: number) => boolean) =>
    positiveRate(Array.from(answerPositions, (at) => Number(hit(from + at))));
  const whole = modelRight(states);
  return {
    right: [...guesses.map(({ right }) => share((at) => right[at] === 1)), share((at) => whole[at] === 1)],
    agree: [...guesses.map(({ places }) => share((at) => places[at] === 0)), 1],
  };
}

export const doneRuns = (): MethodRun[] =>
  existsSync(join(root, RUNS))
    ? readFileSync(join(root, RUNS), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as MethodRun)
    : [];

if (process.argv[1] === import.meta.filename) {
  const [folder = ""] = process.argv.slice(2);
  mkdirSync(dirname(join(root, RUNS)), { recursive: true });
  for (const seed of SEEDS)
    for (const arm of ARMS) {
      if (doneRuns().some((done) => done.arm === arm && done.seed === seed)) continue;
      const done = await run(arm, seed, folder);
      appendFileSync(join(root, RUNS), `${JSON.stringify(done)}\n`);
      process.stderr.write(
        `${arm}, seed ${seed}: ${done.loss.toFixed(4)} nats, right ${done.right.map((v) => v.toFixed(2))}\n`,
      );
    }
}
