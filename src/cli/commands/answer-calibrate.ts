import { basename } from "node:path";
import type { Command } from "commander";
import { auroc } from "../../lab/metrics/index.ts";
import { holdsWords } from "../../lab/metrics/squad.ts";
import type { calibrateAnswers } from "../../library/calibrate-answer.ts";
import { lookupPipeline } from "../../pipelines/registry.ts";
import { parseRows } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples, STORE } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";

const { answerRow, calibrateAnswerOptions, judgedBy } = await lookupPipeline.calibration();

type AnswerCalibration = Awaited<ReturnType<typeof calibrateAnswers>>;

interface Flags extends Readonly<Record<string, unknown>> {
  model: string;
  index: string;
  store?: string;
  out?: string;
  json?: boolean;
}

export function defineCalibrate(command: Command): void {
  const verb = command
    .command("calibrate")
    .description("find the score above which the model looks a question up")
    .argument("<file>", 'representative rows of {"question", "answers"}: one correct answer, or a list')
    .requiredOption("--index <name>", "the index to search")
    .option("--store <address>", STORE)
    .option("--model <model>", "the model that answers", "smollm2")
    .option("--out <file>", "where to write the gates (default: where `answer` reads them)")
    .option("--json", "print one JSON object with the gates");
  addFlags(addFlags(verb, quantOptions), calibrateAnswerOptions).action(calibrate);
  examples(verb, "modicum answer calibrate questions.jsonl --index books");
}

async function calibrate(path: string, flags: Flags): Promise<void> {
  const options = readFlags(calibrateAnswerOptions, flags);
  const rows = await parseRows(answerRow, rowsOf(path));
  if (rows.length === 0) throw new UserError(`${path} has no rows`);
  const { model, index, store, out, json = false } = flags;
  using download = showDownload(model);
  const { calibrateAnswers } = await import("../../library/calibrate-answer.ts");
  const { file, gates, judged } = await calibrateAnswers(model, rows, {
    ...options,
    ...formOption(flags),
    ...{ index, store, out, judge, data: basename(path), signal: interruptSignal(), onRow: progress(model) },
    ...download,
  });
  const summaries = gates.map((gate) => summary(gate, judged));
  if (json) return printJson({ model, file, questions: rows.length, gates: summaries });
  print(...columns([["GATE", "THRESHOLD", "AUROC", "LOOKED UP", "RIGHT", "ALWAYS", "NEVER"], ...summaries.map(line)]));
  process.stderr.write(`saved in ${file}: \`modicum answer --model ${model} --index ${index} …\` uses it\n`);
}

/** 1 if the text contains one of the answers. */
const judge = (text: string, answers: readonly string[]): number =>
  Number(answers.some((answer) => holdsWords(text, answer)));

const summary = (gate: AnswerCalibration["gates"][number], judged: AnswerCalibration["judged"]) => {
  const { method, threshold, measured } = gate;
  const parts = judgedBy(gate, judged).map(({ score, plain, retrieved }) => [
    ...[Number(plain < 0.5 && retrieved >= 0.5), -score, score],
  ]);
  const area = auroc.quality(parts);
  return { method, threshold, auroc: Number.isNaN(area) ? null : area, ...measured };
};

const line = ({ method, threshold, ...numbers }: ReturnType<typeof summary>): string[] => [
  method,
  String(Number(threshold.toPrecision(6))),
  ...[numbers.auroc, numbers.rate, numbers.accuracy, numbers.always, numbers.never].map((n) => n?.toFixed(3) ?? ""),
];

/** Prints a line on stderr after each tenth of the rows. */
const progress = (model: string) => (done: number, of: number) => {
  if (done % Math.max(1, Math.round(of / 10)) === 0) process.stderr.write(`${model}: ${done} of ${of} rows\n`);
};
