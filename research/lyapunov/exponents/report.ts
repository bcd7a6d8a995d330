import { markdownTable } from "../../../tools/section.ts";
import { drawn } from "./histogram.ts";
import { SCALED } from "./layer-trajectories.ts";
import type { LyapunovReport } from "./measure.ts";

const exponent = (value: number): string => (value > 0 ? "+" : "") + value.toPrecision(3);

/** The report as lines of text. */
export function reportLines(report: LyapunovReport): string[] {
  const { controls, loops, deviations } = report;
  return [
    `${report.model}, ${report.architecture}, ${report.tokens} tokens: λ max ${exponent(report.max)} nats per token`,
    "",
    layerTable(report),
    "",
    markdownTable(
      ["measured", "nats per token, or the distance"],
      [
        ...controls.map(({ gain, max }) => [`control: tanh RNN, gain ${gain}`, exponent(max)]),
        ...(loops ? loopLines(loops) : []),
        ["states after another token, then at the end", ends(deviations.oneToken.slice(1))],
        ["states with 5 % other tokens, early, then at the end", ends(deviations.noise)],
      ],
    ),
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
function layerTable({ layers, trajectories, scaled, recurrent }: LyapunovReport): string {
  const numberOf = (l: number) => String(recurrent?.[l] ?? l);
  const paths = trajectories.map(({ max, standardError }) => [exponent(max), standardError.toPrecision(1)]);
  const alone = () => paths.map((path, l) => [numberOf(l), ...path, exponent(scaled[l]!.max)]);
  if (layers.length === 0) return markdownTable(["layer", "two paths", "±", `W × ${SCALED}`], alone());
  const rows = layers.map(({ max, standardError, median, min, memory, histogram, kicked, fromQr, grown }, l) => [
    ...[numberOf(l), exponent(max), standardError.toPrecision(1), memory === null ? "∞" : memory.toFixed(0)],
    ...[exponent(median), exponent(min), drawn(histogram), exponent(kicked.exponent)],
    ...[kicked.fromClosedForm.toExponential(0), fromQr.toExponential(0), exponent(grown.exponent), paths[l]![0]!],
  ]);
  return markdownTable([...CLOSED_FORM, "two paths"], rows);
}

const CLOSED_FORM = [
  ...["layer", "λ max", "±", "memory", "median", "min", "−λ: 1e-5 … 1e2"],
  ...["kicked", "off", "QR off", "A = +exp"],
] as const;

const ends = (shares: readonly number[]): string =>
  [shares[0], shares.at(-1)].map((share) => (share === undefined ? "–" : share.toPrecision(2))).join(", ");
