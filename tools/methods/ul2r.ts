// Trains every run of docs/results/ul2r on the copy language, one after the other; a call after a stop goes on.
//   npx tsx tools/methods/ul2r.ts [FOLDER]
// FOLDER holds the text and the runs' models; results are added to docs/results/ul2r/runs.jsonl.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TrainInput, type TrainingReceipt, train } from "../../src/index.ts";
import { completeOptions } from "../../src/train/methods/complete.ts";
import { readMetrics } from "../../src/train/metrics.ts";
import { root } from "../section.ts";
import { copyText } from "./ul2r/copy-language.ts";
import { type Evaluated, evaluate } from "./ul2r/evaluate.ts";
import { ARMS, type Arm, armOptions, baseOptions, type DoneRun, doneRun, SENTINELS } from "./ul2r/runs.ts";

const RUNS = path.join(root, "docs/results/ul2r/runs.jsonl");
const SEEDS = [0, 1, 2];
/** The two that are compared come first, of all seeds. */
const [COMPARED, OTHERS] = [Object.keys(ARMS).slice(0, 2) as Arm[], Object.keys(ARMS).slice(2) as Arm[]];
const RECORDS = 150_000;
/** The base before anything, as a row of the table. */
export const BASE = "base";

export const doneRuns = (): DoneRun[] =>
  existsSync(RUNS)
    ? readFileSync(RUNS, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => doneRun.parse(JSON.parse(line)))
    : [];

function textIn(folder: string): string {
  const file = path.join(folder, "copy.txt");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, copyText(RECORDS, 1));
  return file;
}

/** The receipt of a run, which begins, goes on, or is done. */
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
const evaluated = (options: TrainInput, model: string): Promise<Evaluated> =>
  evaluate(completeOptions({ ...options, model, method: `ul2r:sentinels=${SENTINELS}` }), SENTINELS);

async function run(arm: Arm | typeof BASE, seed: number, folder: string): Promise<DoneRun> {
  const data = textIn(folder);
  const base = path.join(folder, `base-${seed}`);
  const { tokens: baseTokens, flops: baseFlops } = await trained(baseOptions(data, seed), base);
  const spent = { baseTokens, baseFlops: baseFlops.spent, baseNats: heldOutOf(base) };
  const started = performance.now();
  if (arm === BASE) {
    const scores = await evaluated(armOptions("UL2R", base, data, seed), base);
    return { ...{ seed, arm, steps: 0, tokens: 0, flops: 0, minutes: 0 }, ...spent, ...scores };
  }
  const options = armOptions(arm, base, data, seed);
  const out = path.join(folder, `${seed}-${Object.keys(ARMS).indexOf(arm)}`);
  const { steps, tokens, flops } = await trained(options, out);
  const minutes = (performance.now() - started) / 60_000;
  return { seed, arm, steps, tokens, flops: flops.spent, ...spent, ...(await evaluated(options, out)), minutes };
}

async function main(folder = path.join(tmpdir(), "modicum-ul2r-runs")): Promise<void> {
  mkdirSync(path.dirname(RUNS), { recursive: true });
  for (const arms of [[BASE, ...COMPARED], OTHERS] as const)
    for (const seed of SEEDS)
      for (const arm of arms) {
        if (doneRuns().some((done) => done.seed === seed && done.arm === arm)) continue;
        const result = await run(arm, seed, folder);
        appendFileSync(RUNS, `${JSON.stringify(result)}\n`);
        process.stderr.write(`${JSON.stringify(result)}\n`);
      }
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
