import { basename } from "node:path";
import type { Command } from "commander";
import type { Calibrated } from "../../index.ts";
import { containsAnswer } from "../../lab/metrics/index.ts";
import { aurocOfWrong } from "../../lab/route/auroc.ts";
import { calibrateOptions, calibrationRow } from "../../library/calibrate-route.ts";
import { parseRows } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  const call = 'modicum route calibrate "smollm2>qwen2.5-coder" prompts.jsonl';
  examples(command, call);
  const verb = command
    .command("calibrate")
    .description("find the score below which the larger model answers")
    .argument("<pair>", "two models, such as smollm2>qwen2.5-coder")
    .argument("<file>", 'representative rows of {"prompt"}; "answer" (one, or a list) to judge by')
    .option("--out <file>", "where to write the calibration (default: where `run` reads it)")
    .option("--json", "print one JSON object with the thresholds");
  addFlags(addFlags(examples(verb, call), quantOptions), calibrateOptions).action(calibrate);
}

async function calibrate(pair: string, file: string, flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const options = readFlags(calibrateOptions, flags);
  const rows = await parseRows(calibrationRow, rowsOf(file));
  if (rows.length === 0) throw new UserError(`${file} has no rows`);
  using download = showDownload(pair);
  const { out = undefined, json = false } = flags;
  const { calibrateRoute } = await import("../../library/calibrate-route.ts");
  const result = await calibrateRoute(pair, rows, {
    ...options,
    ...formOption(flags),
    ...{ judge, data: basename(file), out, signal, onRow: progress(pair), ...download },
  });
  const summaries = result.calibrated.map((one) => ({ ...summary(one), rows: rows.length }));
  if (json) return printJson({ pair, file: result.file, calibrations: summaries });
  print(...columns([["SCORE", "AGGREGATE", "THRESHOLD", "AUROC"], ...summaries.map(line)]));
  process.stderr.write(`saved in ${result.file}: \`modicum run --model "${pair}@share=0.3" …\` uses it\n`);
}

/** 1 if the text contains one of the answers. */
function judge(text: string, answers: readonly string[]): number {
  const item = { kind: "generation", id: "", prompt: "", stop: [], maxTokens: 1, answers } as const;
  return containsAnswer.part(item, { text }, { text })[0]!;
}

const summary = ({ record, threshold, samples }: Calibrated) => ({
  ...{ score: record.score, aggregate: record.aggregate, temperature: record.temperature, threshold },
  ...(record.swift && { auroc: aurocOfWrong(samples.map(({ score, swift }) => ({ score, swift: swift! }))) }),
});

const line = ({ score, aggregate, threshold, auroc }: ReturnType<typeof summary>): string[] => [
  ...[score, aggregate, String(Number(threshold.toPrecision(6)))],
  auroc === undefined ? "" : auroc.toFixed(3),
];

/** Prints a line on stderr after each tenth of the rows. */
const progress = (pair: string) => (done: number, of: number) => {
  if (done % Math.max(1, Math.round(of / 10)) === 0) process.stderr.write(`${pair}: ${done} of ${of} rows\n`);
};
