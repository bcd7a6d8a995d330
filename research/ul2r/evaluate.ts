import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openBase } from "../../src/library/train.ts";
import type { TrainingData } from "../../src/train/data/batch.ts";
import { openData } from "../../src/train/data/open.ts";
import { denoisingIds } from "../../src/train/methods/ul2r/tokens.ts";
import type { TrainOptions } from "../../src/train/options.ts";
import { openRun } from "../../src/train/session/open-run.ts";
import { Passes } from "../../src/train/step/passes.ts";
import { counting } from "./counting-head.ts";
import { type ProbedLanguage, type ProbeItem, probeItems } from "./probe.ts";
import { probeBatch, suitesOf } from "./suites.ts";

/** Batches of held-out text of each suite, and items of each probe. */
const BATCHES = 20;
const ITEMS = 480;

/** Nats per label by suite, and shares of right letters by mask. */
export interface Evaluated {
  readonly nats: Readonly<Record<string, number>>;
  readonly infill: { readonly prefix: number; readonly causal: number };
}

/** Evaluates the model of `options`, whose method must be ul2r: tokens that the model lacks are new, as at a run's start. */
export async function evaluate(options: TrainOptions, language: ProbedLanguage, sentinels: number): Promise<Evaluated> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-ul2r-"));
  try {
    const { subject, tokenizer } = await openRun(options, folder, (model) => openBase(model, {}));
    using owned = subject;
    const { data: files, batch: rows, tokens, seed } = options;
    const { heldOut } = openData({ ...options, files, rows }, tokenizer, seed);
    const shape = { rows, tokens, packed: false, prefixed: true };
    const objective = counting(owned.trainee.objective, tokenizer.vocabSize);
    using passes = await Passes.create(
      { ...owned.trainee, objective, trained: () => false },
      owned.store,
      shape,
      false,
    );
    const suites = Object.entries(suitesOf(heldOut!, denoisingIds(tokenizer, sentinels)));
    const nats: Record<string, number> = {};
    for (const [name, suite] of suites) nats[name] = await meanNats(passes, suite, BATCHES);
    const items = probeItems(language, ITEMS, tokenizer, 1);
    const right = (prefixed: boolean) => shareRight(passes, items, { rows, tokens }, prefixed);
    return { nats, infill: { prefix: await right(true), causal: await right(false) } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Nats per label over the first batches of a suite. */
export async function meanNats(passes: Passes, suite: TrainingData, batches: number): Promise<number> {
  let [sum, labelled] = [0, 0];
  for (let i = 0; i < Math.min(batches, suite.batches); i++) {
    const batch = suite.batch(i);
    sum += (await passes.evaluate(batch)).nats;
    labelled += batch.labelled;
  }
  return sum / labelled;
}

/** The share of items that the likeliest token gets right; items that do not fill a batch are left out. */
async function shareRight(
  passes: Passes,
  items: readonly ProbeItem[],
  { rows, tokens }: { rows: number; tokens: number },
  prefixed: boolean,
): Promise<number> {
  const batches = Math.floor(items.length / rows);
  let right = 0;
  for (let i = 0; i < batches; i++) {
    const batch = probeBatch(items.slice(i * rows, (i + 1) * rows), tokens, prefixed);
    right += (await passes.evaluate(batch)).correct!;
  }
  return right / (batches * rows);
}
