import { UserError } from "../../util/errors.ts";
import { LEAST_STEPS, type ScreenOptions } from "./screen-options.ts";

/** A point where runs are compared, and some are stopped. */
export interface Rung {
  /** The completed share of each run's steps. */
  readonly share: number;
  /** The number of runs that continue after the rung. */
  readonly keep: number;
}

/** The share of each run's steps before the first cut. @throws UserError if the shortest run is too short to be cut */
export function windowOf({ window }: ScreenOptions, steps: readonly number[]): number {
  const least = Math.min(...steps);
  if (least < 2 * LEAST_STEPS)
    throw new UserError(
      `screen: a run has ${least} steps, expected at least ${2 * LEAST_STEPS}, because at least the first ${LEAST_STEPS} steps of every run are watched`,
    );
  return Math.max(window, LEAST_STEPS / least);
}

/**
 * Rungs for `runs` runs, the first after a share `window` of their steps. `halving` cuts after 1, 2, 4, … windows, and
 * retains `keep` runs at the last cut.
 */
export function rungsOf({ mode, keep }: ScreenOptions, runs: number, window: number): Rung[] {
  switch (mode) {
    case "off":
    case "report":
      return [];
    case "paper":
      return [{ share: window, keep: Math.min(keep, runs) }];
    case "halving":
      return halvings(
        [window, 2 * window, 4 * window].filter((share) => share < 1),
        runs,
        keep,
      );
  }
}

function halvings(shares: readonly number[], runs: number, keep: number): Rung[] {
  const survivorsAt = (i: number) => (i === shares.length - 1 ? keep : Math.max(keep, Math.ceil(runs / 2 ** (i + 1))));
  return shares.map((share, i) => ({ share, keep: Math.min(runs, survivorsAt(i)) }));
}

/** The share of all steps that run if runs stop at rungs: (k + (K − k)·φ) / K for one rung. */
export function costOf(rungs: readonly Rung[], runs: number): number {
  const stopped = rungs.map(({ share, keep }, i) => share * ((rungs[i - 1]?.keep ?? runs) - keep));
  const whole = rungs.at(-1)?.keep ?? runs;
  return (whole + stopped.reduce((sum, part) => sum + part, 0)) / runs;
}
