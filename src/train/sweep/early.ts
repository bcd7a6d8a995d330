import { mean } from "../../util/mean.ts";
import { median } from "../../util/median.ts";
import type { StepReport } from "../session/run.ts";

/** Statistics of a run's first steps. */
export interface Early {
  /** The mean loss in nats per label. */
  readonly loss: number;
  /** The median gradient norm before clipping. */
  readonly norm: number;
  /** The reason why the run is ranked last: its loss did not fall, or its held-out loss rose. */
  readonly fault?: "flat" | "worse";
}

/** Computes the statistics of at least four steps. */
export function earlyOf(steps: readonly StepReport[]): Early {
  const losses = steps.map(({ loss }) => loss);
  const heldOut = steps.flatMap(({ validation }) => validation ?? []);
  const figures = { loss: mean(losses), norm: median(steps.map(({ norm }) => norm)) };
  if (heldOut.length > 1 && heldOut.at(-1)! > heldOut[0]!) return { ...figures, fault: "worse" };
  return falls(losses) ? figures : { ...figures, fault: "flat" };
}

/** True if the mean of the second half is lower by more than two standard errors of the difference. */
function falls(losses: readonly number[]): boolean {
  const half = Math.floor(losses.length / 2);
  const [first, second] = [losses.slice(0, half), losses.slice(half)];
  return mean(first) - mean(second) > 2 * Math.sqrt(squaredError(first) + squaredError(second));
}

/** The squared standard error of the mean. */
function squaredError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return squares / (values.length - 1) / values.length;
}
