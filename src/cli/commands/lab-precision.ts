import type { Command } from "commander";
import { measurePrecision, type PrecisionReport, precisionOptions } from "../../lab/precision/measure.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { stoppable } from "../interrupt.ts";
import { textOf, writeReport } from "../lab-text.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  file?: string;
  other?: string[];
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a language model")
    .argument("[text]", "the text that it reads")
    .option("--file <file>", "a file with the text")
    .option("--other <model>", "another model over the same tokens, in float32; may be repeated", collect)
    .option("--out <folder>", "where precision.json is written")
    .option("--json", "print one JSON object");
  addFlags(command, precisionOptions).action(run);
}

async function run(name: string, given: string | undefined, flags: Flags): Promise<void> {
  const options = readFlags(precisionOptions, flags);
  const text = textOf(given, flags.file);
  const resolve = async (model: string) => {
    using download = showDownload(model);
    return await stoppable((signal) => resolveModel(model, { signal, ...download }));
  };
  const source = await resolve(name);
  const others = [];
  for (const other of flags.other ?? []) others.push(await resolve(other));
  const report = await measurePrecision(source, others, text, options);
  await writeReport(flags.out, "precision", report);
  if (flags.json) return printJson(report);
  print(...lines(report));
}

function lines({ model, architecture, tokens, windows, arms, note }: PrecisionReport): string[] {
  const rows = arms.map(({ arm, kl, standardError, logit, agreement, parts, states, lateToEarly }) => [
    ...[arm, kl.toExponential(2), standardError?.toExponential(0) ?? "–", logit.toExponential(2)],
    ...[`${(100 * agreement).toFixed(1)} %`, parts.map((part) => part.kl.toExponential(0)).join(" ")],
    ...[lateToEarly.toPrecision(2), states?.map((share) => share.toExponential(0)).join(" ") ?? "none"],
  ]);
  return [
    `${model}, ${architecture}, ${windows} windows of ${tokens} tokens, against float32`,
    "",
    ...columns([["ARM", "KL", "±", "|Δ LOGIT|", "SAME TOP", "KL BY EIGHTHS", "LATE/EARLY", "STATES OFF"], ...rows]),
    "",
    note,
  ];
}
