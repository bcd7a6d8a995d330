import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type SweepInput, type TrainInput, trainSweep } from "../../src/index.ts";
import { openTasks } from "../../src/lab/training/score-tasks.ts";
import { readTrainedRun } from "../../src/train/report/run.ts";
import { writeJson } from "../../src/util/write-whole.ts";
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

/** A run of a screened sweep, complete or stopped. */
export interface ScreenedRun extends Pick<RealRun, "lr" | "rank" | "losses" | "heldOut"> {
  /** Why it was stopped; absent: it went to its end. */
  readonly stopped?: string;
}

export interface ScreenedResult {
  readonly runs: readonly ScreenedRun[];
  /** FLOPs spent, as a share of running all runs to their end. */
  readonly compute: number;
}

export const optionsOf = (data: string): TrainInput => ({
  ...{ model: "smollm2", quant: "f32", data, packing: true, tokens: 96, batch: 1, steps: 100 },
  ...{ lora: { rank: 4, alpha: 16 }, optimizer: { weightDecay: 0 }, schedule: { name: "constant" } },
  ...{ evaluateEvery: 20, evaluateBatches: 12, saveEvery: 20 },
});

/** Trains what is not done yet in folders within `work`, scores it, and keeps each result in `file` at once. */
export async function runReal(source: string, work: string, file: string): Promise<void> {
  const files = await bankingFiles(source, path.join(work, "data"));
  const results = new Results(work, file, files);
  const grid = { "optimizer.lr": RATES, "lora.rank": RANKS };
  const [best, ...others] = await runsOf({ ...optionsOf(files.train), grid }, path.join(work, "full"));
  await results.keep(best!, "true");
  for (const { data, labels, seed } of [
    { data: files.shuffled, labels: "shuffled" as const, seed: 0 },
    ...SEEDS.map((seed) => ({ data: files.train, labels: "true" as const, seed })),
  ])
    for (const out of await runsOf(repeated(best!, data, seed), path.join(work, labels)))
      await results.keep(out, labels);
  for (const out of others) await results.keep(out, "true");
}

/** Trains the same grid again with its less promising runs stopped by halving, in folders within `work`. */
export async function runScreened(source: string, work: string, file: string): Promise<void> {
  const files = await bankingFiles(source, path.join(work, "data"));
  const sweep: SweepInput = {
    ...optionsOf(files.train),
    grid: { "optimizer.lr": RATES, "lora.rank": RANKS },
    screen: "halving",
  };
  const { runs, stopped, screen } = await trainSweep(sweep, { out: path.join(work, "screened"), ...hooks });
  const screened = runs.map(({ out }): ScreenedRun => {
    const { lr, rank, losses, heldOut } = summary(out);
    const reason = stopped.find((run) => run.out === out)?.reason;
    return { lr, rank, losses, heldOut, ...(reason !== undefined && { stopped: reason }) };
  });
  await writeJson(file, { runs: screened, compute: screen!.cost.flops });
}

const hooks = { onRun: ({ name }: { name: string }) => process.stderr.write(`run ${name}\n`) };

/** Folders of a sweep's runs, the best held-out loss first. */
const runsOf = async (sweep: SweepInput, out: string): Promise<string[]> =>
  (await trainSweep(sweep, { out, ...hooks })).runs.map((run) => run.out);

/** The settings of a run on other data or with another seed. */
function repeated(out: string, data: string, seed: number): SweepInput {
  const { optimizer, lora } = readTrainedRun(out).options;
  const setting = { optimizer: { weightDecay: 0, lr: optimizer.lr }, lora: { alpha: 16, rank: lora!.rank } };
  return { ...optionsOf(data), ...setting, grid: { seed: [seed] } };
}

/** The results so far, in a file. */
class Results {
  readonly #runs: RealRun[];

  constructor(
    private readonly work: string,
    private readonly file: string,
    private readonly files: BankingFiles,
  ) {
    this.#runs = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).runs : [];
  }

  async keep(out: string, labels: RealRun["labels"]): Promise<void> {
    const name = `${labels} ${path.basename(out)}`;
    if (this.#runs.some((run) => run.name === name)) return;
    const accuracy = await accuracyOf(out, this.files.test);
    this.#runs.push({ ...summary(out), name, labels, accuracy });
    await writeJson(this.file, { items: ITEMS, ...baseIn(this.work), runs: this.#runs });
    process.stderr.write(`${name}: accuracy ${accuracy}\n`);
  }
}

/** The lab's score before training: `modicum lab run --model smollm2 --quant f32 --task WORK/data/test.jsonl --limit 100 --out WORK/base`. */
function baseIn(work: string): Pick<RealResult, "base"> {
  const file = path.join(work, "base", "summary.json");
  return existsSync(file) ? { base: JSON.parse(readFileSync(file, "utf8")).recipes[0].quality } : {};
}

function summary(out: string): Omit<RealRun, "name" | "labels" | "accuracy"> {
  const { options, steps, receipt } = readTrainedRun(out);
  return {
    ...{ lr: options.optimizer.lr, rank: options.lora!.rank, seed: options.seed },
    ...{ losses: steps.map(({ loss }) => rounded(loss)), norms: steps.map(({ norm }) => rounded(norm)) },
    heldOut: steps.flatMap(({ step, validation }) => (validation === undefined ? [] : [{ step, loss: validation }])),
    flops: receipt?.flops.spent ?? 0,
    minutes: steps.reduce((sum, { ms }) => sum + ms, 0) / 60_000,
  };
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** The lab's score of an adapter on the first items of the test set, as `modicum lab run` draws and judges them. */
export async function accuracyOf(folder: string, test: string): Promise<number> {
  const scorer = await openTasks({ tasks: [test], taskLimit: ITEMS }, (text) => Math.ceil(text.length / 2), {});
  const scores = await scorer.score({ folder, base: "smollm2", quant: "f32" });
  return scores[test]!.quality;
}
