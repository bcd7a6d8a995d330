/**
 * Preferences for lower or upper case among a model's own continuations: npx tsx research/preferences/index.ts. Writes
 * research/preferences/results/style.json.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { load, type Model } from "../../src/index.ts";
import { train } from "../../src/library/train.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson, writeWhole } from "../../src/util/write-whole.ts";

const MODEL = "packages/models/shakespeare";
const TEXT = "src/train/fixtures/shakespeare/text.txt";
const [PROMPT, COMPLETION, HELD_OUT, STEPS] = [24, 32, 60, 60];
const SEEDS = [0, 1, 2];

export interface Arm {
  readonly method: string;
  readonly preference: "none" | "lower" | "upper" | "shuffled";
  readonly seed: number;
  /** Share of capitals in continuations of held-out prompts, sampled at temperature 1. */
  readonly capitals: number;
  /** An estimate of the KL divergence: nats per character by which their log-probability exceeds the reference's. */
  readonly kl: number;
  /** Means of the last ten steps, by TRL's names. */
  readonly margins?: number;
  readonly accuracies?: number;
  readonly flops?: number;
}

/** Two continuations of a prompt; the first has fewer capitals. */
interface Pair {
  readonly prompt: string;
  readonly lower: string;
  readonly upper: string;
}

const capitalsIn = (text: string): number => text.replace(/[^A-Z]/g, "").length;

const continued = async (model: Model, prompt: string, seed: number): Promise<string> =>
  (await model.complete(prompt, { raw: true, temperature: 1, seed, maxTokens: COMPLETION })).text;

/** The sum of the log-probabilities of a completion's tokens. */
async function logProbability(model: Model, prompt: string, completion: string): Promise<number> {
  const { prompt: tokens = [] } = await model.complete(prompt + completion, {
    ...{ raw: true, promptLogprobs: 0, maxTokens: 0 },
  });
  return tokens.slice(prompt.length).reduce((sum, { logprob = 0 }) => sum + logprob, 0);
}

/** Stretches of the text, without overlap. */
function prompts(): string[] {
  const text = readFileSync(TEXT, "utf8");
  const count = Math.floor(text.length / PROMPT);
  return Array.from({ length: count }, (_, i) => text.slice(i * PROMPT, (i + 1) * PROMPT));
}

async function pairsOf(model: Model, all: readonly string[]): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const [i, prompt] of all.entries()) {
    const two = [await continued(model, prompt, 2 * i), await continued(model, prompt, 2 * i + 1)];
    const [lower, upper] = two.sort((a, b) => capitalsIn(a) - capitalsIn(b)) as [string, string];
    if (capitalsIn(lower) < capitalsIn(upper) && lower.trim() !== "") pairs.push({ prompt, lower, upper });
  }
  return pairs;
}

/** The pairs as rows of a method; `shuffled` draws the preferred side. */
function rowsOf(pairs: readonly Pair[], preference: Arm["preference"], method: string, seed: number): object[] {
  const random = seededRandom(seed);
  return pairs.flatMap(({ prompt, lower, upper }): object[] => {
    const low = preference === "shuffled" ? random() < 0.5 : preference === "lower";
    const [chosen, rejected] = low ? [lower, upper] : [upper, lower];
    if (method !== "kto") return [{ prompt, chosen, rejected }];
    return [
      { prompt, completion: chosen, label: true },
      { prompt, completion: rejected, label: false },
    ];
  });
}

/** Samples continuations of held-out prompts, and scores them with both models. */
async function judged(
  policy: Model,
  reference: Model,
  heldOut: readonly string[],
): Promise<Pick<Arm, "capitals" | "kl">> {
  const texts: string[] = [];
  const apart: number[] = [];
  for (const [i, prompt] of heldOut.entries()) {
    const text = await continued(policy, prompt, 10_000 + i);
    texts.push(text);
    apart.push((await logProbability(policy, prompt, text)) - (await logProbability(reference, prompt, text)));
  }
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  return {
    capitals: texts.reduce((sum, text) => sum + capitalsIn(text), 0) / length,
    kl: apart.reduce((sum, nats) => sum + nats, 0) / length,
  };
}

const ARMS = [
  ["dpo", "lower"],
  ["dpo", "upper"],
  ["dpo", "shuffled"],
  ["dpo:loss_type=ipo", "lower"],
  ["simpo", "lower"],
  ["orpo", "lower"],
  ["kto", "lower"],
] as const;

const folder = mkdtempSync(path.join(tmpdir(), "modicum-preferences-"));
using reference = await load(MODEL);
const all = prompts();
const heldOut = all.slice(-HELD_OUT);
const pairs = await pairsOf(reference, all.slice(0, -HELD_OUT));
const arms: Arm[] = [{ method: "none", preference: "none", seed: 0, ...(await judged(reference, reference, heldOut)) }];
const machine = cpus()[0]!.model.trim();
for (const seed of SEEDS)
  for (const [method, preference] of ARMS) {
    const out = path.join(folder, `${method.replace(/\W/g, "-")}-${preference}-${seed}`);
    const data = `${out}.jsonl`;
    const rows = rowsOf(pairs, preference, method, seed);
    await writeWhole(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const last: Readonly<Record<string, number>>[] = [];
    const { receipt } = await train(
      {
        ...{ model: MODEL, data, method, seed, steps: STEPS, batch: 8, tokens: PROMPT + COMPLETION, validation: 0 },
        ...{ lora: { rank: 8, targets: "attn_qkv,attn_output,ffn_up,ffn_down" }, optimizer: { lr: 1e-3 } },
      },
      { out, onStep: ({ step, metrics }) => step > STEPS - 10 && metrics && last.push(metrics) },
    );
    using policy = await load(MODEL, { adapter: out });
    const meanOf = (name: string) => mean(last.flatMap((metrics) => metrics[name] ?? []));
    const arm = {
      ...{
        method,
        preference,
        seed,
        ...(await judged(policy, reference, heldOut)),
        margins: meanOf("rewards/margins"),
      },
      ...(method !== "kto" && { accuracies: meanOf("rewards/accuracies") }),
      flops: receipt.flops.spent,
    };
    arms.push(arm);
    console.log(JSON.stringify(arm));
    await writeJson("research/preferences/results/style.json", {
      ...{ model: MODEL, pairs: pairs.length, heldOut: HELD_OUT, machine, arms },
    });
  }
rmSync(folder, { recursive: true });
