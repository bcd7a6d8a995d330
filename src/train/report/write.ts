import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { readTrainedRun, summaryOf, type TrainingSummary } from "./run.ts";

export interface TrainingReport {
  /** The path of the page. */
  readonly report: string;
  readonly runs: readonly TrainingSummary[];
}

/**
 * Writes a page with the runs' curves and receipts to `file`, by default `report.html` in the first folder. @throws
 * UserError if a folder contains no run, or writing fails
 */
export async function reportRuns(folders: readonly string[], file?: string): Promise<TrainingReport> {
  const [first] = folders;
  if (first === undefined) throw new UserError("expected at least one run's folder", 2);
  const runs = folders.map(readTrainedRun);
  const report = file ?? path.join(first, "report.html");
  // Loaded late, because loading the plotting library would delay commands' help.
  const { page } = await import("./page.ts");
  await writeWhole(report, page(runs));
  return { report, runs: runs.map(summaryOf) };
}
