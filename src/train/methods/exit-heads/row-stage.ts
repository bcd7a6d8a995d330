import { rateAt, scheduleOptions } from "../../step/schedule.ts";
import type { RowTrainer } from "./row-passes.ts";
import { batchesOf, type Positions } from "./rows.ts";
import type { CollectTerms } from "./states/collect.ts";
import type { TrainingStates } from "./training-states.ts";

const schedule = scheduleOptions.parse({ warmup: 0.05, minimum: 0.05 });

export interface FitTerms extends CollectTerms {
  /** Names the work in progress reports, and among the call's fits. */
  readonly stage: string;
  readonly layers: readonly number[];
  /** Positions that are taken at once, and those of an optimiser's step. */
  readonly rows: number;
  readonly stepRows: number;
  readonly epochs: number;
  /** Peak learning rate. */
  readonly rate: number;
  readonly seed: number;
  /** True if positions of a row of text stay together. */
  readonly whole?: boolean;
}

/**
 * Trains on the training part's positions, in another order in each epoch. `add` gives positions to the trainer, each
 * with a share of 1 / stepRows in the loss. A fit that was stopped goes on.
 */
export async function fitRows(
  trainer: RowTrainer,
  { corpus, cache }: TrainingStates,
  terms: FitTerms,
  add: (positions: Positions) => Promise<void>,
): Promise<void> {
  const { stage, layers, rows, stepRows, epochs, rate, seed, whole, signal, onProgress, fits } = terms;
  const range = corpus.ranges.training;
  const positions = (range[1] - range[0]) * corpus.block;
  const steps = Math.max(1, Math.floor((epochs * positions) / stepRows));
  fits?.restore(stage, trainer);
  const done = trainer.steps;
  let [step, gathered] = [0, 0];
  for (let epoch = 0; done < steps && step < steps; epoch++)
    for (const batch of batchesOf(cache, layers, { range, size: rows, seed: seed + epoch, whole })) {
      const isDone = step < done;
      if (!isDone) await add(batch);
      gathered += batch.at.length;
      if (gathered < stepRows) continue;
      if (!isDone) await trainer.step(rate * rateAt(schedule, step, steps));
      gathered = 0;
      step++;
      if (isDone) continue;
      onProgress?.({ stage, done: step, of: steps });
      if (step === steps || signal?.aborted) await fits?.keep(stage, trainer);
      signal?.throwIfAborted();
      if (step === steps) return;
    }
}
