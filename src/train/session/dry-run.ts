import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { hasState } from "../checkpoint/state.ts";
import { AUTO, type TrainOptions } from "../options.ts";
import type { Base } from "../subject/subject.ts";
import { type Estimate, estimate } from "./estimate.ts";
import { methodOf, stagesOf } from "./open-stages.ts";
import type { Session } from "./session.ts";
import type { OpenTerms, Stage } from "./stage.ts";
import type { LabTasks } from "./tasks.ts";

/** The options for opening a run that has no folder yet. */
type DryRunTerms = Omit<OpenTerms, "out" | "resumes">;

/** Estimates a run from a small part of its data; stores nothing. @throws UserError */
export async function dryRun(
  options: TrainOptions,
  openBase: (model: string) => Promise<Base>,
  labTasks?: LabTasks,
): Promise<Estimate> {
  const terms = { options, openBase, labTasks, losses: () => [] };
  const chosen = await methodOf(terms);
  if (chosen?.method.estimate)
    return inScratch(async (out) => chosen.method.estimate!(chosen.options, { ...terms, out, resumes: false }));
  return withFirstStage(terms, async (stage) => {
    if (!stage.tryBatch) throw new UserError("--dry-run: this method cannot run a trial batch; omit the flag", 2);
    await stage.prepare?.();
    const samples = stage.preview ?? [];
    return { ...(await estimate(stage.tryBatch.bind(stage), stage.steps)), ...(samples.length > 0 && { samples }) };
  });
}

/**
 * Checks that a run can begin or resume, by opening its model and data, without storing anything; returns its total
 * number of steps. @throws UserError if the run cannot begin or resume
 */
export async function checkOptions(
  { options: wanted, out, labTasks }: Pick<Session, "options" | "out" | "labTasks">,
  openBase: (model: string) => Promise<Base>,
): Promise<number> {
  // Omits `auto`, because choosing would run batches.
  const options = wanted.freeze === AUTO ? { ...wanted, freeze: undefined } : wanted;
  const terms = { options, openBase, labTasks, losses: () => [] };
  const chosen = await methodOf(terms);
  if (chosen?.method.steps) return chosen.method.steps(chosen.options, { ...terms, out, resumes: hasState(out) });
  return withFirstStage(terms, async ({ steps }) => steps);
}

/** @throws UserError if the run cannot begin */
const withFirstStage = <T>(terms: DryRunTerms, use: (stage: Stage) => Promise<T>): Promise<T> =>
  inScratch(async (out) => {
    for await (const stage of stagesOf({ ...terms, out, resumes: false })) return await use(stage);
    throw new Error("a run must have at least one stage");
  });

/** Calls `use` with a temporary folder, then removes the folder. */
async function inScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "modicum-dry-run-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
