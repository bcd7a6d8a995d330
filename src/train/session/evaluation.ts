import { suggest, UserError } from "../../util/errors.ts";
import type { TrainOptions } from "../options.ts";
import type { ScoredTask, TaskScore } from "./tasks.ts";

export interface Evaluation {
  /** Held-out loss in nats per label, if data are held out. */
  readonly validation?: number;
  /** The accuracy on held-out labels, for heads over whole texts. */
  readonly accuracy?: number;
  /** The metric of each lab task, if any. */
  readonly tasks?: Readonly<Record<string, number>>;
}

/** A run's lab tasks, and a function that scores its current model on them. */
export interface Scoring {
  readonly tasks: readonly ScoredTask[];
  score(): Promise<Readonly<Record<string, TaskScore>>>;
}

/** Scores a run's model; passes the FLOPs to `bill`. */
export async function scored({ score }: Scoring, bill: (flops: number) => void): Promise<Pick<Evaluation, "tasks">> {
  const scores = Object.entries(await score());
  for (const [, { flops }] of scores) bill(flops);
  return { tasks: Object.fromEntries(scores.map(([name, { quality }]) => [name, quality])) };
}

/** Checks that `best` names one of the run's measures. @throws UserError */
export function checkBest({ best, tasks, patience, keepBest }: TrainOptions, hasHeldOut: boolean): void {
  const measures = ["loss", ...tasks];
  if (!measures.includes(best))
    throw new UserError(`best: expected ${measures.join(" or ")}, got "${best}"${suggest(best, measures)}`, 2);
  const wanting = patience !== undefined ? "patience" : keepBest ? "keepBest" : undefined;
  if (best === "loss" && wanting && !hasHeldOut)
    throw new UserError(`${wanting}: no data are held out; set validation above 0`, 2);
}

/** The value of the measure `best`, negated if higher is better; undefined if it was not measured. */
export function measureOf(
  { validation, tasks }: Evaluation,
  best: string,
  all: readonly ScoredTask[],
): number | undefined {
  if (best === "loss") return validation;
  const quality = tasks?.[best];
  const better = all.find(({ name }) => name === best)?.better;
  return quality === undefined ? undefined : better === "higher" ? -quality : quality;
}
