import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type TrainInput, trainSweep } from "../../../src/index.ts";
import { openTasks } from "../../../src/lab/training/score-tasks.ts";
import { readTrainedRun } from "../../../src/train/report/run.ts";
import { writeJson } from "../../../src/util/write-whole.ts";
import { type BankingFiles, bankingFiles } from "./banking.ts";

const RATES = [3e-4, 1e-3, 3e-3];
const RANKS = [4, 16];
/** The winner's other seeds. */
const SEEDS = [1, 2];
const ITEMS = 100;

/** One LoRA run on SmolLM2. */
export interface RealRun {
  readonly name: string;
  readonly labels: "true" | "shuffled";
  readonly lr: number;
  readonly rank: number;
  readonly seed: number;
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly heldOut: readonly { readonly step: number; readonly loss: number }[];
  readonly flops: number;
  readonly minutes: number;
  /** Share of test messages that are answered with their intent. */
  readonly accuracy: number;
}

export interface RealResult {
  readonly items: number;
  /** The same share before training, if it was measured. */
  readonly base?: number;
  readonly runs: readonly RealRun[];
}

const optionsOf = (data: string): TrainInput => ({
  ...{ model: "smollm2", quant: "f32", data, packing: true, tokens: 96, batch: 1, steps: 100 },
  ...{ lora: { rank: 4, alpha: 16 }, optimizer: { weightDecay: 0 }, schedule: { name: "constant" } },
  ...{ evaluateEvery: 20, evaluateBatches: 12, saveEvery: 20 },
});

/** Trains what is not done yet in folders within `work`, scores it, and keeps each result in `file` at once. */
export async function runReal(source: string, work: string, file: string): Promise<void> {
  const files = await bankingFiles(source, path.join(work, "data"));
  const runs: RealRun[] = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).runs : [];
  const keep = async (out: string, labels: RealRun["labels"]) => {
    const name = `${labels} ${path.basename(out)}`;
    if (runs.some((run) => run.name === name)) return;
    runs.push({ ...summary(out), name, labels, accuracy: await accuracyOf(out, files) });
    await writeJson(file, { items: ITEMS, ...baseIn(work), runs });
    process.stderr.write(`${name}: accuracy ${runs.at(-1)!.accuracy}\n`);
  };
  const grid = { "optimizer.lr": RATES, "lora.rank": RANKS };
  const full = await trainSweep({ ...optionsOf(files.train), grid }, { out: path.join(work, "full"), ...told });
  for (const { out } of full.runs) await keep(out, "true");
  const { optimizer, lora } = readTrainedRun(full.runs[0]!.out).options;
  const winner = (data: string): TrainInput => ({
    ...optionsOf(data),
    ...{ optimizer: { weightDecay: 0, lr: optimizer.lr }, lora: { alpha: 16, rank: lora!.rank } },
  });
  const control = { ...winner(files.shuffled), grid: { seed: [0] } };
  for (const { out } of (await trainSweep(control, { out: path.join(work, "shuffled"), ...told })).runs)
    await keep(out, "shuffled");
  const seeds = { ...winner(files.train), grid: { seed: SEEDS } };
  for (const { out } of (await trainSweep(seeds, { out: path.join(work, "seeds"), ...told })).runs)
    await keep(out, "true");
}

/** The lab's score before training: `modicum lab run --model smollm2 --quant f32 --task WORK/data/test.jsonl --limit 100 --out WORK/base`. */
function baseIn(work: string): Pick<RealResult, "base"> {
  const file = path.join(work, "base", "summary.json");
  return existsSync(file) ? { base: JSON.parse(readFileSync(file, "utf8")).recipes[0].quality } : {};
}

const told = { onRun: ({ name }: { name: string }) => process.stderr.write(`run ${name}\n`) };

function summary(out: string): Omit<RealRun, "name" | "labels" | "accuracy"> {
  const { options, steps, receipt } = readTrainedRun(out);
  return {
    ...{ lr: options.optimizer.lr, rank: options.lora!.rank, seed: options.seed },
    ...{ losses: steps.map(({ loss }) => rounded(loss)), norms: steps.map(({ norm }) => rounded(norm)) },
    heldOut: steps.flatMap(({ step, validation }) => (validation === undefined ? [] : [{ step, loss: validation }])),
    flops: receipt!.flops.spent,
    minutes: steps.reduce((sum, { ms }) => sum + ms, 0) / 60_000,
  };
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** The lab's score of an adapter on the first items of the test set, as `modicum lab run` draws and judges them. */
async function accuracyOf(folder: string, { test }: BankingFiles): Promise<number> {
  const scorer = await openTasks({ tasks: [test], taskLimit: ITEMS }, (text) => Math.ceil(text.length / 2), {});
  const scores = await scorer.score({ folder, base: "smollm2", quant: "f32" });
  return scores[test]!.quality;
}
