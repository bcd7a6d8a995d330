import type { Command } from "commander";
import type { TrainingReport } from "../../index.ts";
import { summaryRows } from "../../train/report/rows.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .description("compare training runs on a page of curves and receipts")
    .argument("<folders...>", "folders of runs")
    .option("--out <file>", "the page (default: report.html in the first folder)")
    .option("--json", "print one JSON object")
    .action(report);
  examples(command, "modicum train report runs/one runs/two --out compare.html");
}

async function report(folders: readonly string[], { out, json }: { out?: string; json?: boolean }): Promise<void> {
  const { trainingReport } = await import("../../library/train.ts");
  tellRuns(await trainingReport(folders, out === undefined ? {} : { out }), json);
}

/** Prints runs as a table, and the path of their page. */
export function tellRuns(report: TrainingReport, json = false): void {
  if (json) printJson(report);
  else print(...columns(summaryRows(report.runs)), report.report);
}
