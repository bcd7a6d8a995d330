// Trains every run of research/ul2r/results on the copy language, one after the other; a later call resumes a stopped
// one. npx tsx research/ul2r/main.ts [FOLDER] FOLDER holds the text and the runs' models; results are added to
// research/ul2r/results/runs.jsonl.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TrainInput, type TrainingReceipt, train } from "../../src/index.ts";
import { completeOptions } from "../../src/train/methods/complete.ts";
import { readMetrics } from "../../src/train/session/metrics.ts";
import { root } from "../../tools/section.ts";
import { doneRunsIn } from "../common/done-runs.ts";
import { copyText } from "./copy-language.ts";
import { type Evaluated, evaluate } from "./evaluate.ts";
import {
  ARMS,
  type Arm,
  armOptions,
  baseOptions,
  type DoneRun,
  doneRun,
  LANGUAGES,
  type Letters,
  SENTINELS,
} from "./runs.ts";

const RUNS = path.join(root, "research/ul2r/results/runs.jsonl");
const RECORDS = 150_000;
/** The base before anything, as a row of the table. */
export const BASE = "base";

export const doneRuns = (): DoneRun[] => doneRunsIn(RUNS, doneRun);

const inFolder = (folder: string, what: string, letters: Letters): string =>
  path.join(folder, `${what}-${letters.replaceAll(" ", "")}`);

function textIn(folder: string, letters: Letters): string {
  const file = `${inFolder(folder, "copy", letters)}.${LANGUAGES[letters].apart ? "jsonl" : "txt"}`;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, copyText(LANGUAGES[letters], RECORDS, 1));
  return file;
}

/** Starts or resumes a run, unless it is finished; returns its receipt. */
async function trained(options: TrainInput, out: string): Promise<TrainingReceipt> {
  const file = path.join(out, "receipt.json");
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as TrainingReceipt;
  const { receipt } = await train(options, { out, threads: 1, reuse: existsSync(out) ? "resume" : "refuse" });
  return receipt;
}

/** The last held-out loss of a run. */
const heldOutOf = (out: string): number =>
  readMetrics(out).findLast(({ validation }) => validation !== undefined)!.validation!;

/** Under the new tokens, whether the model has been trained on them or not. */
const evaluated = (options: TrainInput, model: string, letters: Letters): Promise<Evaluated> =>
  evaluate(
    completeOptions({ ...options, model, method: `ul2r:sentinels=${SENTINELS},mask=prefix` }),
    LANGUAGES[letters],
    SENTINELS,
  );

/** Trains the base if needed, and continues from it; `bare`: evaluates the base itself. */
async function run(arm: Arm, seed: number, bare: boolean, folder: string): Promise<DoneRun> {
  const { letters } = arm;
  const data = textIn(folder, letters);
  const base = `${inFolder(folder, "base", letters)}-${seed}`;
  const { tokens: baseTokens, flops: baseFlops } = await trained(baseOptions(letters, data, seed), base);
  const metadata = { seed, letters, baseTokens, baseFlops: baseFlops.spent, baseNats: heldOutOf(base) };
  const options = armOptions(arm, base, data, seed);
  if (bare)
    return {
      ...metadata,
      arm: BASE,
      steps: 0,
      tokens: 0,
      flops: 0,
      minutes: 0,
      ...(await evaluated(options, base, letters)),
    };
  const out = inFolder(folder, `${arm.name.replace(/\W/g, "")}-${seed}`, letters);
  const { steps, tokens, flops, ms } = await trained(options, out);
  const work = { arm: arm.name, steps, tokens, flops: flops.spent, minutes: ms.total / 60_000 };
  return { ...metadata, ...work, ...(await evaluated(options, out, letters)) };
}

async function main(folder = path.join(tmpdir(), "modicum-ul2r-runs")): Promise<void> {
  mkdirSync(path.dirname(RUNS), { recursive: true });
  for (const arm of ARMS)
    for (const seed of arm.seeds)
      for (const bare of [true, false]) {
        const name = bare ? BASE : arm.name;
        const isDone = (run: DoneRun) => run.seed === seed && run.letters === arm.letters && run.arm === name;
        if (doneRuns().some(isDone)) continue;
        const result = await run(arm, seed, bare, folder);
        appendFileSync(RUNS, `${JSON.stringify(result)}\n`);
        process.stderr.write(`${JSON.stringify(result)}\n`);
      }
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
