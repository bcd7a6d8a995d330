import { ranksOf } from "../../util/ranks.ts";
import type { Early } from "./early.ts";
import type { ScreenOptions } from "./screen-options.ts";

/**
 * Scores by early loss and gradient norm, the lowest first: the sum of a run's weighted ranks, by loss from the highest
 * and by norm from the lowest. That better runs begin with higher losses and lower norms is the observation of arXiv 2412.13337;
 * it gives no rule, and the sum of ranks is ours. Runs with a fault score infinitely.
 */
export function paperScores(runs: readonly Early[], { lossWeight, normWeight }: ScreenOptions): number[] {
  const sound = runs.filter(({ fault }) => fault === undefined);
  const byLoss = ranksOf(sound.map(({ loss }) => -loss));
  const byNorm = ranksOf(sound.map(({ norm }) => norm));
  const scores = new Map(sound.map((run, i) => [run, lossWeight * byLoss[i]! + normWeight * byNorm[i]!]));
  return runs.map((run) => scores.get(run) ?? Number.POSITIVE_INFINITY);
}
