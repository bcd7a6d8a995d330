import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeError } from "../../util/system-errors.ts";
import { writeWhole } from "../../util/write-whole.ts";
import type { StepReport } from "./run.ts";

const fileOf = (run: string): string => path.join(run, "metrics.jsonl");

/** A run's `metrics.jsonl`, with one line per step. */
export class Metrics {
  private constructor(private readonly file: string) {}

  /** Opens the file and removes lines after step `done`, which were written after the run's last checkpoint. */
  static async open(run: string, done: number): Promise<Metrics> {
    const file = fileOf(run);
    const reports = readMetrics(run).filter(({ step }) => step <= done);
    await writeWhole(file, reports.map((report) => `${JSON.stringify(report)}\n`).join(""));
    return new Metrics(file);
  }

  /** @throws UserError if writing fails */
  add(report: StepReport): void {
    try {
      appendFileSync(this.file, `${JSON.stringify(report)}\n`);
    } catch (error) {
      throw writeError(error, this.file);
    }
  }
}

/** Reads a run's steps so far, ignoring an incomplete last line. */
export function readMetrics(run: string): StepReport[] {
  const file = fileOf(run);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as StepReport);
}

/** The mean losses of the first and the last tenth of a run's steps. */
export function meanLosses(losses: readonly number[]): { first: number; last: number } {
  const count = Math.max(1, Math.round(losses.length / 10));
  const mean = (some: readonly number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
  return { first: mean(losses.slice(0, count)), last: mean(losses.toReversed().slice(0, count)) };
}
