import type { Command } from "commander";
import { drawn } from "../../lab/lyapunov/histogram.ts";
import { SCALED } from "../../lab/lyapunov/layer-trajectories.ts";
import { type LyapunovReport, lyapunovOptions, measureLyapunov } from "../../lab/lyapunov/measure.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { stoppable } from "../interrupt.ts";
import { textOf, writeReport } from "../lab-text.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  file?: string;
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a recurrent model")
    .argument("[text]", "the text to read")
    .option("--file <file>", "a file with the text")
    .option("--out <folder>", "where lyapunov.json is written")
    .option("--json", "print one JSON object");
  addFlags(command, lyapunovOptions).action(run);
  examples(command, "modicum lab lyapunov mamba-tiny --file README.md");
}

async function run(name: string, argument: string | undefined, flags: Flags): Promise<void> {
  const options = readFlags(lyapunovOptions, flags);
  const text = textOf(argument, flags.file);
  using download = showDownload(name);
  const source = await stoppable((signal) => resolveModel(name, { signal, ...download }));
  const report = await measureLyapunov(source, text, options);
  await writeReport(flags.out, "lyapunov", report);
  if (flags.json) return printJson(report);
  print(...lines(report));
}

const exponent = (value: number): string => (value > 0 ? "+" : "") + value.toPrecision(3);

function lines(report: LyapunovReport): string[] {
  const { controls, loops, deviations } = report;
  return [
    `${report.model}, ${report.architecture}, ${report.tokens} tokens: λ max ${exponent(report.max)} nats per token`,
    "",
    ...columns(layersOf(report)),
    "",
    ...columns([
      ...controls.map(({ gain, max }) => [`control: tanh RNN, gain ${gain}`, exponent(max)]),
      ...(loops ? loopLines(loops) : []),
      ["states after another token, then at the end", ends(deviations.oneToken.slice(1))],
      ["states with 5 % other tokens, early, then at the end", ends(deviations.noise)],
    ]),
    "",
    report.scope,
  ];
}

const loopLines = ({ open, mean, sampled }: NonNullable<LyapunovReport["loops"]>): string[][] => [
  ["whole model, both read the text", exponent(open)],
  ["whole model, mean guess fed back", exponent(mean)],
  ...sampled.map((s) => [`whole model, sample fed back, temperature ${s.temperature}`, exponent(s.exponent)]),
];

/** A row for each layer: everything from its closed form, or only the two trajectories. */
function layersOf({ layers, trajectories, scaled, recurrent }: LyapunovReport): string[][] {
  const numberOf = (l: number) => String(recurrent?.[l] ?? l);
  const paths = trajectories.map(({ max, standardError }) => [exponent(max), standardError.toPrecision(1)]);
  const alone = () => paths.map((path, l) => [numberOf(l), ...path, exponent(scaled[l]!.max)]);
  if (layers.length === 0) return [["LAYER", "TWO PATHS", "±", `W × ${SCALED}`], ...alone()];
  const rows = layers.map(({ max, standardError, median, min, memory, histogram, kicked, fromQr, grown }, l) => [
    ...[numberOf(l), exponent(max), standardError.toPrecision(1), memory === null ? "∞" : memory.toFixed(0)],
    ...[exponent(median), exponent(min), drawn(histogram), exponent(kicked.exponent)],
    ...[kicked.fromClosedForm.toExponential(0), fromQr.toExponential(0), exponent(grown.exponent), paths[l]![0]!],
  ]);
  return [[...CLOSED_FORM, "TWO PATHS"], ...rows];
}

const CLOSED_FORM = [
  ...["LAYER", "λ MAX", "±", "MEMORY", "MEDIAN", "MIN", "−λ: 1e-5 … 1e2"],
  ...["KICKED", "OFF", "QR OFF", "A = +EXP"],
] as const;

const ends = (shares: readonly number[]): string =>
  [shares[0], shares.at(-1)].map((share) => (share === undefined ? "–" : share.toPrecision(2))).join(", ");
