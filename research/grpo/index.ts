/**
 * Trains a model by rewards to write completions without the letter e: npx tsx research/grpo/index.ts. Writes
 * research/grpo/results/letter.json.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { load, type Model } from "../../src/index.ts";
import { train } from "../../src/library/train.ts";
import { mean } from "../../src/util/mean.ts";
import { writeJson, writeWhole } from "../../src/util/write-whole.ts";

const MODEL = "packages/models/shakespeare";
const TEXT = "src/train/fixtures/shakespeare/text.txt";
const [PROMPT, COMPLETION, HELD_OUT, STEPS, GROUP, BATCH] = [24, 24, 60, 100, 8, 16];
/** An answer that ends early is wrong. */
const PATTERN = `^[^eE]{${COMPLETION}}$`;
/** The number of completions per held-out prompt. */
const JUDGED = 4;
const SEEDS = [0, 1, 2];
const ARMS = ["grpo", "permuted", "supervised"] as const;

export interface Arm {
  readonly arm: "untrained" | (typeof ARMS)[number];
  readonly seed: number;
  /** The share of held-out prompts' completions without the letter, sampled at temperature 1. */
  readonly correct: number;
  /** The share of these completions that are unlike all others. */
  readonly distinct: number;
  /** Mean rewards of the first and the last ten steps. */
  readonly rewards?: readonly [number, number];
  /** FLOPs of the whole arm, sampling included. */
  readonly flops?: number;
  readonly ms?: Readonly<Record<string, number>>;
}

const correct = (text: string): boolean => new RegExp(PATTERN).test(text);

async function continued(model: Model, prompt: string, seed: number): Promise<{ text: string; flops: number }> {
  const { text, receipt } = await model.complete(prompt, { raw: true, temperature: 1, seed, maxTokens: COMPLETION });
  return { text, flops: receipt.flops.spent };
}

/** Stretches of the text, without overlap. */
function prompts(): string[] {
  const text = readFileSync(TEXT, "utf8");
  const count = Math.floor(text.length / PROMPT);
  return Array.from({ length: count }, (_, i) => text.slice(i * PROMPT, (i + 1) * PROMPT));
}

async function judged(model: Model, heldOut: readonly string[]): Promise<Pick<Arm, "correct" | "distinct">> {
  const texts: string[] = [];
  for (const [i, prompt] of heldOut.entries())
    for (let k = 0; k < JUDGED; k++) texts.push((await continued(model, prompt, 10_000 + JUDGED * i + k)).text);
  const once = texts.filter((text) => texts.filter((other) => other === text).length === 1);
  return { correct: mean(texts.map((text) => Number(correct(text)))), distinct: once.length / texts.length };
}

/** Samples as many completions from the untrained model as grpo does: the correct ones, and the FLOPs of all. */
async function sampled(model: Model, all: readonly string[]): Promise<{ rows: object[]; flops: number }> {
  const rows: object[] = [];
  let sum = 0;
  for (let i = 0; i < (STEPS * BATCH) / GROUP; i++)
    for (let k = 0; k < GROUP; k++) {
      const prompt = all[i % all.length]!;
      const { text, flops } = await continued(model, prompt, GROUP * i + k);
      sum += flops;
      if (correct(text)) rows.push({ prompt, completion: text });
    }
  return { rows, flops: sum };
}

const folder = mkdtempSync(path.join(tmpdir(), "modicum-grpo-"));
using untrained = await load(MODEL);
const all = prompts();
const [training, heldOut] = [all.slice(0, -HELD_OUT), all.slice(-HELD_OUT)];
const arms: Arm[] = [{ arm: "untrained", seed: 0, ...(await judged(untrained, heldOut)) }];
console.log(JSON.stringify(arms[0]));
const supervised = await sampled(untrained, training);
for (const seed of SEEDS)
  for (const arm of ARMS) {
    const out = path.join(folder, `${arm}-${seed}`);
    const rows =
      arm === "supervised" ? supervised.rows : training.map((prompt) => ({ prompt, pattern: PATTERN, seed }));
    await writeWhole(`${out}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const reward = arm === "permuted" ? path.join(import.meta.dirname, "permuted.mjs") : "pattern";
    const method = { name: "grpo", reward_funcs: [reward], num_generations: GROUP, max_completion_length: COMPLETION };
    const steps: number[] = [];
    const { receipt } = await train(
      {
        ...{ model: MODEL, data: `${out}.jsonl`, seed, steps: STEPS, batch: BATCH, validation: 0 },
        ...{ tokens: PROMPT + COMPLETION, lora: { rank: 8, targets: "attn_qkv,attn_output,ffn_up,ffn_down" } },
        ...{ optimizer: { lr: 1e-3, weightDecay: 0 }, ...(arm !== "supervised" && { method }) },
      },
      { out, onStep: ({ metrics }) => steps.push(metrics?.["reward"] ?? Number.NaN) },
    );
    using policy = await load(MODEL, { adapter: out });
    const found = {
      ...{ arm, seed, ...(await judged(policy, heldOut)), ms: receipt.ms },
      flops: receipt.flops.spent + (arm === "supervised" ? supervised.flops : 0),
      ...(arm !== "supervised" && { rewards: [mean(steps.slice(0, 10)), mean(steps.slice(-10))] as const }),
    };
    arms.push(found);
    console.log(JSON.stringify(found));
    await writeJson("research/grpo/results/letter.json", {
      ...{ model: MODEL, prompts: training.length, correct: supervised.rows.length, heldOut: heldOut.length * JUDGED },
      ...{ machine: cpus()[0]!.model.trim(), arms },
    });
  }
rmSync(folder, { recursive: true });
