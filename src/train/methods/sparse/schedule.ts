import { UserError } from "../../../util/errors.ts";
import type { SparseOptions } from "./options.ts";

/** Shares of a run's compute: before the first pruning, during pruning, and after the last pruning. */
export interface Fractions {
  readonly dense: number;
  readonly prune: number;
  readonly recover: number;
}

/** The number of steps in each phase, unrounded. */
export interface PhaseSteps extends Fractions {
  readonly total: number;
}

export const USUAL: Fractions = { dense: 0.25, prune: 0.5, recover: 0.25 };

/**
 * The number of steps in each phase of a run that costs as much as `denseSteps` dense steps. A step's cost is
 * proportional to the remaining weights: while they are pruned geometrically to a share d, the average step costs (1 −
 * d) / ln(1/d) dense steps (from arXiv 2501.12486).
 */
export function stepsFromComputeFractions(sparsity: number, denseSteps: number, shares = USUAL): PhaseSteps {
  const density = 1 - sparsity;
  const dense = shares.dense * denseSteps;
  const prune = shares.prune * denseSteps * (sparsity === 0 ? 1 : Math.log(1 / density) / sparsity);
  const recover = (shares.recover * denseSteps) / density;
  return { dense, prune, recover, total: dense + prune + recover };
}

/** A run's prunings: before steps `start`, `start + every`, … `end`, counted from 0. */
export interface PruneSchedule {
  readonly sparsity: number;
  readonly start: number;
  readonly end: number;
  readonly every: number;
  /** The number of prunings; 0 in a dense run. */
  readonly events: number;
}

const EVERY = 100;

/** The minimum number of prunings in the pruning phase, if it has enough steps. */
const LEAST_EVENTS = 10;

/**
 * The pruning schedule of a run of `steps` steps. The first and the last pruning are rounded to multiples of `every`;
 * the last comes before the run's last step. @throws UserError if the run is too short
 */
export function pruneSchedule(options: SparseOptions, steps: number): PruneSchedule {
  const { sparsity, start, end } = options;
  const phases = stepsFromComputeFractions(sparsity, 1, options);
  const scale = steps / phases.total;
  const exact = [start ?? phases.dense * scale, end ?? (phases.dense + phases.prune) * scale] as const;
  const every = options.every ?? Math.max(1, Math.min(EVERY, Math.floor((exact[1] - exact[0]) / LEAST_EVENTS)));
  if (start !== undefined && end !== undefined) return scheduleOf(options, { start, end, every }, steps);
  const rounded = (step: number) => Math.round(step / every) * every;
  const first = Math.min(rounded(exact[0]), steps - 1);
  const events = Math.floor((Math.min(rounded(exact[1]), steps - 1) - first) / every) + 1;
  return whole({ sparsity, start: first, every, events });
}

function scheduleOf(
  { sparsity }: SparseOptions,
  { start, end, every }: { readonly start: number; readonly end: number; readonly every: number },
  steps: number,
): PruneSchedule {
  if (end >= steps) throw new UserError(`sparse: end: expected less than the run's ${steps} steps, got ${end}`, 2);
  if ((end - start) % every !== 0)
    throw new UserError(`sparse: every: expected a divisor of end − start, ${end - start}, got ${every}`, 2);
  return whole({ sparsity, start, every, events: (end - start) / every + 1 });
}

const whole = ({ sparsity, start, every, events }: Omit<PruneSchedule, "end">): PruneSchedule => ({
  ...{ sparsity, start, every },
  ...{ end: start + (events - 1) * every, events: sparsity === 0 ? 0 : events },
});

/** The number of prunings before step `step` runs, including the pruning right before it. */
export function eventsUntil(step: number, { start, every, events }: PruneSchedule): number {
  return step < start ? 0 : Math.min(events, Math.floor((step - start) / every) + 1);
}

/** The share of weights that remain after `event` prunings: each removes the same share of the remaining weights. */
export const keptAfter = (event: number, { sparsity, events }: PruneSchedule): number =>
  event === 0 ? 1 : (1 - sparsity) ** (event / events);
