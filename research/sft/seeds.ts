import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type SweepInput, trainSweep } from "../../src/index.ts";
import { readTrainedRun } from "../../src/train/report/run.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeJson, writeWhole } from "../../src/util/write-whole.ts";
import { bankingFiles } from "./banking.ts";
import { accuracyOf, optionsOf } from "./real.ts";

const SEEDS = [0, 1, 2];
const RATES = [1e-3, 3e-3, 1e-2, 3e-2];
const RANKS = [2, 4, 16];
/** Messages by which runs are screened: neither trained on nor in the test set. */
const SCREENING = 40;

type Measured = readonly [step: number, value: number];

/** A run of a screened sweep, as far as it has come. */
export interface SeedRun {
  readonly seed: number;
  readonly lr: number;
  readonly rank: number;
  readonly steps: number;
  /** The share of screening messages that are answered with their intent. */
  readonly screening: readonly Measured[];
  readonly heldOut: readonly Measured[];
  readonly gflops: number;
  /** The same share of the test set, of a run that went to its end. */
  readonly accuracy?: number;
}

/** Trains twelve settings with three seeds, each seed a sweep that is screened by the task itself; keeps the runs in `file`. */
export async function runSeeds(source: string, work: string, file: string): Promise<void> {
  const { test } = await bankingFiles(source, path.join(work, "data"));
  const { train, screening } = await splitOf(work);
  const runs: SeedRun[] = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  for (const seed of SEEDS.filter((one) => !runs.some((run) => run.seed === one))) {
    const sweep: SweepInput = {
      ...optionsOf(train),
      ...{ seed, tasks: [screening], taskLimit: SCREENING, best: screening },
      ...{ grid: { "optimizer.lr": RATES, "lora.rank": RANKS }, screen: { mode: "halving", keep: 2 } },
    };
    const done = await trainSweep(sweep, {
      out: path.join(work, `seed-${seed}`),
      onRun: ({ name }) => process.stderr.write(`${new Date().toISOString()} seed ${seed}, ${name}\n`),
    });
    for (const { out } of done.runs) {
      const stopped = done.stopped.some((run) => run.out === out);
      const accuracy = stopped ? {} : { accuracy: await accuracyOf(out, test) };
      runs.push({ ...summary(out, seed, screening), ...accuracy });
    }
    await writeJson(file, runs);
  }
}

/** Splits the training messages into those that are trained on and those that screen. */
async function splitOf(work: string): Promise<{ readonly train: string; readonly screening: string }> {
  const text = readFileSync(path.join(work, "data", "train.jsonl"), "utf8");
  const lines = shuffle(text.trimEnd().split("\n"), seededRandom(1));
  const write = async (name: string, some: readonly string[]) => {
    const file = path.join(work, "data", `${name}.jsonl`);
    await writeWhole(file, some.map((line) => `${line}\n`).join(""));
    return file;
  };
  const rows = lines.slice(0, SCREENING).map((line) => {
    const { prompt, completion } = JSON.parse(line) as { prompt: string; completion: string };
    return JSON.stringify({ prompt, answer: completion.trim() });
  });
  return { train: await write("others", lines.slice(SCREENING)), screening: await write("screening", rows) };
}

function summary(out: string, seed: number, screening: string): SeedRun {
  const { options, steps, receipt } = readTrainedRun(out);
  const measured = (of: (step: (typeof steps)[number]) => number | undefined): Measured[] =>
    steps.flatMap((step): Measured[] => {
      const value = of(step);
      return value === undefined ? [] : [[step.step, Number(value.toFixed(4))]];
    });
  return {
    ...{ seed, lr: options.optimizer.lr, rank: options.lora!.rank, steps: steps.length },
    screening: measured(({ tasks }) => tasks?.[screening]),
    heldOut: measured(({ validation }) => validation),
    gflops: Math.round((receipt?.flops.spent ?? 0) / 1e9),
  };
}
