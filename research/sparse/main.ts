// Trains every run of research/sparse/results, one after the other; a later call resumes a stopped one. npx tsx
// research/sparse/main.ts [FOLDER] FOLDER holds the text and the runs' models; results are added to
// research/sparse/results/runs.jsonl.

import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { train } from "../../src/index.ts";
import { type DoneRun, doneRuns, RUNS } from "./done.ts";
import { languageOf, textOf } from "./language.ts";
import { optionsOf, type Planned, planned } from "./runs.ts";

/** Seed of the language and of its text. */
const LANGUAGE = 1;
const SYMBOLS = 3_000_000;

function textIn(folder: string): string {
  const file = path.join(folder, "text.txt");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, textOf(languageOf(LANGUAGE), SYMBOLS, LANGUAGE));
  return file;
}

async function done(run: Planned, folder: string): Promise<DoneRun> {
  const { part, name, seed, method, steps, twin } = run;
  const same = doneRuns().find((other) => other.part === "schedules" && other.name === twin && other.seed === seed);
  if (same) return { ...same, part, name, method };
  const out = path.join(folder, `${part}-${seed}-${name.replace(/[^\w.]+/g, "-")}`);
  const started = performance.now();
  const { receipt, tokens, loss } = await train(optionsOf(run, textIn(folder)), { out, threads: 1, reuse: "force" });
  const { parameters, prunable } = receipt.work!;
  return {
    ...{ part, name, seed, method, steps, tokens, loss: loss.best, flops: receipt.flops.spent },
    ...{ first: prunable!.dense, mean: parameters!.run / steps, last: prunable!.run },
    minutes: (performance.now() - started) / 60_000,
  };
}

async function main(folder = path.join(tmpdir(), "modicum-sparse")): Promise<void> {
  mkdirSync(path.dirname(RUNS), { recursive: true });
  for (const run of planned()) {
    const same = (other: DoneRun) => other.part === run.part && other.name === run.name && other.seed === run.seed;
    if (doneRuns().some(same)) continue;
    const result = await done(run, folder);
    appendFileSync(RUNS, `${JSON.stringify(result)}\n`);
    process.stderr.write(`${run.seed} ${run.name}: ${result.loss.toFixed(4)} in ${result.minutes.toFixed(1)} min\n`);
  }
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]);
