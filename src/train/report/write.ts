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
 * Writes runs as a page with curves and receipts into `file`, by default `report.html` in the first folder.
 * @throws UserError if a folder holds no run, or the disk refuses the page
 */
export async function reportRuns(folders: readonly string[], file?: string): Promise<TrainingReport> {
  const [first] = folders;
  if (first === undefined) throw new UserError("expected at least one run's folder", 2);
  const runs = folders.map(readTrainedRun);
  const report = file ?? path.join(first, "report.html");
  // Loading the plotting library would delay a command's help.
  const { page } = await import("./page.ts");
  await writeWhole(report, page(runs));
  return { report, runs: runs.map(summaryOf) };
}
