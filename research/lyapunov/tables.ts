import { mean } from "../../src/util/mean.ts";
import { markdownTable } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { type Kind, precisions, type Stage } from "./arms.ts";
import type { DivergenceLine, ExponentsLine, PeerLine, PrecisionLine } from "./lines.ts";

export const NAMES: Readonly<Record<Kind, string>> = { mamba: "Mamba", mamba2: "Mamba-2", gpt2: "GPT", rnn: "RNN" };
const STAGES: Readonly<Record<Stage, string>> = { whole: "whole", adapter: "adapter" };
export const signed = (value: number, digits: number): string =>
  `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** In the order of the kinds; groups of equal `key`, their seeds ascending. */
function grouped<L extends PeerLine>(lines: readonly L[], key: (line: L) => string): L[][] {
  const order = Object.keys(NAMES);
  const sorted = lines.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.seed - b.seed);
  return [...new Set(sorted.map(key))].map((each) => sorted.filter((line) => key(line) === each));
}

/** The moment at which exponents were taken, in order. */
const MOMENTS = ["1 step", "a quarter", ...precisions, ...precisions.map((precision) => `adapter, ${precision}`)];

function momentOf({ stage, part, precision }: ExponentsLine): string {
  if (stage === "adapter") return `adapter, ${precision}`;
  return part === 0 ? "1 step" : part < 1 ? "a quarter" : precision;
}

function exponentsTable(lines: readonly ExponentsLine[]): string {
  const most = (values: readonly number[]) => Math.max(...values);
  const groups = grouped(lines, ({ kind, ...line }) => `${kind} ${momentOf({ kind, ...line })}`);
  const rows = groups
    .toSorted(([a], [b]) => (a!.kind === b!.kind ? MOMENTS.indexOf(momentOf(a!)) - MOMENTS.indexOf(momentOf(b!)) : 0))
    .map((seeds) => {
      const all = (of: (line: ExponentsLine) => number | undefined) =>
        seeds.flatMap((line) => of(line) ?? []).map((value) => signed(value, 4));
      const closed = all(({ layers }) => (layers.length === 0 ? undefined : most(layers)));
      const above = seeds.flatMap(({ trajectories }) => trajectories).filter((value) => value >= 0).length;
      return [
        ...[NAMES[seeds[0]!.kind], momentOf(seeds[0]!), closed.join(", ") || "none"],
        ...[all(({ trajectories }) => most(trajectories)).join(", "), `${above}`],
        all(({ scaled = [] }) => (scaled.length === 0 ? undefined : Math.min(...scaled))).join(", "),
        ...[all(({ loops }) => loops?.open).join(", "), all(({ loops }) => loops?.mean).join(", ")],
      ];
    });
  const head = ["model", "trained", "λ max, closed form", "λ max, two trajectories", "layers ≥ 0"];
  return markdownTable([...head, "least layer, W × 8", "whole model, text", "whole model, mean guess"], rows);
}

function divergenceTable(lines: readonly DivergenceLine[]): string {
  const kl = (value: number) => value.toExponential(1);
  const rows = grouped(lines, ({ kind, stage }) => `${stage} ${kind}`)
    .toSorted(([a], [b]) => (a!.stage === b!.stage ? 0 : a!.stage === "whole" ? -1 : 1))
    .flatMap((seeds) =>
      ["amp-bf16", "amp-fp16", "another seed"].map((arm, i) => {
        const of = (line: DivergenceLine) => line.arms[arm]!;
        const less = seeds.map(({ loss }) =>
          arm === "another seed" ? undefined : loss[precisions[i + 1]!] - loss.fp32,
        );
        return [
          ...[NAMES[seeds[0]!.kind], STAGES[seeds[0]!.stage], `${seeds[0]!.rate}`, arm],
          arm === "another seed"
            ? `losses ${seeds.map(({ loss }) => loss.fp32.toFixed(3)).join(", ")}`
            : less.map((value) => signed(value!, 4)).join(", "),
          seeds.map((line) => kl(of(line).kl)).join(", "),
          overSeeds(
            seeds.map((line) => Math.log10(of(line).kl)),
            (value) => signed(value, 1),
          ),
          `${(100 * mean(seeds.map((line) => of(line).agreement))).toFixed(1)} %`,
        ];
      }),
    );
  const head = ["model", "what is trained", "rate", "arm", "held-out loss − fp32's", "KL from fp32's, by seed"];
  return markdownTable([...head, "log10 KL, mean [95 %]", "same top"], rows);
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;

function positionsTable(lines: readonly PrecisionLine[]): string {
  const rows = grouped(lines, ({ kind }) => kind).flatMap((seeds) =>
    seeds[0]!.arms.map(({ arm }) => {
      const all = seeds.map(({ arms }) => arms.find((one) => one.arm === arm)!);
      return [
        ...[NAMES[seeds[0]!.kind], `${seeds[0]!.tokens}`, arm],
        all.map((one) => one.kl.toExponential(1)).join(", "),
        all.map(({ lateToEarly }) => lateToEarly.toFixed(2)).join(", "),
        all.map(({ states }) => (states ? `${percent(states[0]!)} → ${percent(states.at(-1)!)}` : "none")).join(", "),
      ];
    }),
  );
  return markdownTable(
    ["model", "tokens", "precision", "KL, by seed", "KL late / early", "states, first → last"],
    rows,
  );
}

/** The tables of the larger peers. */
export function peerTables(lines: readonly PeerLine[]): string[] {
  const exponents = lines.filter((line) => line.what === "exponents");
  const divergence = lines.filter((line) => line.what === "divergence");
  const positions = lines.filter((line) => line.what === "precision");
  return [
    ...["### Exponents of the larger peers", exponentsTable(exponents)],
    ...["### Divergence of the larger peers", divergenceTable(divergence)],
    ...(positions.length > 0 ? ["### Precisions of the larger peers, by position", positionsTable(positions)] : []),
  ];
}
