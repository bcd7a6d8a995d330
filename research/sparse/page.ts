import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { bootstrapLaw, fitScalingLaw, type Law, type Point, predictLoss } from "../../src/index.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { type DoneRun, doneRuns } from "./done.ts";
import { neuronParts } from "./neuron-page.ts";
import { planned } from "./runs.ts";

export const PAGE = "research/sparse/README.md";
export const SECTION = "sparse-results";

const number = z.number();
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const three = (value: number): string => value.toFixed(3);
const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

/** Shows a floor near 0 as 0. */
const short = (value: number): string => (value < 0.001 ? "0" : value.toPrecision(3));

/** The tables of the committed runs. */
export function sparseSection(): string {
  const runs = doneRuns();
  const [schedules, law] = [runs.filter((run) => run.part === "schedules"), runs.filter((run) => run.part === "law")];
  return [...scheduleParts(schedules), ...lawParts(law), ...inferenceParts(), ...neuronParts()].join("\n\n");
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

function scheduleParts(runs: readonly DoneRun[]): string[] {
  const names = unique(planned().flatMap((run) => (run.part === "schedules" ? [run.name] : [])));
  const seeds = unique(runs.map(({ seed }) => seed));
  const dense = runs.find(({ name }) => name === "dense")!;
  const compute = (run: DoneRun) => (run.mean * run.steps) / (dense.mean * dense.steps);
  const rows = names.map((name) => {
    const own = runs.filter((run) => run.name === name);
    const [{ first, mean: average, last, steps }] = own as [DoneRun];
    const losses = own.map(({ loss }) => loss);
    return [
      ...[name, three(mean(losses)), losses.map(three).join(", "), ...[first, average, last, steps].map(whole)],
      ...[compute(own[0]!).toFixed(2), (mean(own.map(({ flops }) => flops)) / dense.flops).toFixed(2)],
    ];
  });
  const head = [
    "run",
    "loss",
    `seeds ${seeds.join(", ")}`,
    "first",
    "average",
    "last",
    "steps",
    "compute",
    "FLOPs here",
  ];
  return ["### Schedules", markdownTable(head, rows), comparisons(runs, seeds)];
}

/** Pairs of which the first must be less, and by how much at least. */
const GATES = [
  ["25/50/25", "75/25/0", 0],
  ["75/25/0", "once at the end", 0],
  ["25/50/25", "25/50/25, random scores", 0],
  ["25/50/25", "dense of the average size", 0.1],
  ["25/50/25", "dense of the average size, as wide", 0.1],
  ["25/50/25", "dense", undefined],
  ["25/50/25", "once at 50", undefined],
  ["25/50/25", "0/25/75", undefined],
] as const;

/** Differences in loss from another run with the same seed. */
function comparisons(runs: readonly DoneRun[], seeds: readonly number[]): string {
  const lossOf = (name: string, seed: number) => runs.find((run) => run.name === name && run.seed === seed)?.loss;
  const rows = GATES.map(([one, other, most]) => {
    const pairs = seeds.map((seed) => [lossOf(one, seed), lossOf(other, seed)] as const);
    const differences = pairs.flatMap(([a, b]) => (a === undefined || b === undefined ? [] : [a - b]));
    const condition = most === undefined ? "a report" : `less than ${most}`;
    const held = differences.filter((difference) => most === undefined || difference < most).length;
    const verdict = most === undefined ? "" : `${held} of ${differences.length}`;
    return [`${one} − ${other}`, signed(mean(differences)), differences.map(signed).join(", "), condition, verdict];
  });
  return markdownTable(["difference", "mean", "by seed", "expected", "seeds in which it holds"], rows);
}

type Size = "mean" | "last" | "first";

const pointOf = (run: DoneRun, size: Size): Point => ({ parameters: run[size], tokens: run.tokens, loss: run.loss });

/** Prediction errors for each sparsity, from a fit to the other sparsities' runs. */
function leftOut(runs: readonly DoneRun[], size: Size): number[] {
  return unique(runs.map(({ method }) => method)).flatMap((method) => {
    const fitted = fitScalingLaw(runs.filter((run) => run.method !== method).map((run) => pointOf(run, size)));
    return errorsOf(
      fitted,
      runs.filter((run) => run.method === method),
      size,
    );
  });
}

const errorsOf = (law: Law, runs: readonly DoneRun[], size: Size): number[] =>
  runs.map((run) => Math.abs(predictLoss(law, pointOf(run, size)) - run.loss));

const SIZES = { mean: "average", last: "last", first: "first" } as const;

const fits = z.object({
  sizes: z.array(
    z.object({ size: z.enum(["mean", "last", "first"]), inside: z.array(number), leftOut: z.array(number) }),
  ),
  coefficients: z.array(z.object({ name: z.string(), fitted: number, interval: z.tuple([number, number]) })),
});
type Fits = z.output<typeof fits>;

const LAW = join(root, "research/sparse/results/law.json");

/** The fits to the runs of the law, which take seconds; they are kept beside the runs. */
function fitsOf(runs: readonly DoneRun[]): Fits {
  const points = runs.map((run) => pointOf(run, "mean"));
  const law = fitScalingLaw(points);
  const intervals = bootstrapLaw(points, law);
  return {
    sizes: (["mean", "last", "first"] as const).map((size) => ({
      ...{ size, leftOut: leftOut(runs, size) },
      inside: errorsOf(fitScalingLaw(runs.map((run) => pointOf(run, size))), runs, size),
    })),
    coefficients: (["E", "A", "B", "alpha", "beta"] as const).map((name) => ({
      ...{ name, fitted: law[name], interval: [...intervals[name]] as [number, number] },
    })),
  };
}

function lawParts(runs: readonly DoneRun[]): string[] {
  const { sizes, coefficients } = fits.parse(JSON.parse(readFileSync(LAW, "utf8")));
  const points = runs.map((run) => [
    ...[run.name, ...[run.first, run.mean, run.last, run.tokens].map(whole), three(run.loss)],
  ]);
  const errors = sizes.map(({ size, inside, leftOut: out }) => [
    ...[SIZES[size], ...[mean(inside), Math.max(...inside), mean(out), Math.max(...out)].map(three)],
  ]);
  const rows = coefficients.map(({ name, fitted, interval }) => [
    ...[name, short(fitted), interval.map(short).join(" to ")],
  ]);
  return [
    "### The law",
    markdownTable(["size, sparsity, dense steps", "first", "average", "last", "tokens", "loss"], points),
    markdownTable(["size in the law", "mean error", "greatest", "mean error, sparsity left out", "greatest"], errors),
    markdownTable(["coefficient, average size", "fitted", "95 % of bootstrap fits"], rows),
  ];
}

const inference = z.object({
  forms: z.array(
    z.object({
      form: z.enum(["dense", "weights", "neurons", "shrunk"]),
      ...{ bytes: z.number(), gzip: z.number(), bitmask: z.number(), prompt: z.number(), token: z.number() },
    }),
  ),
});

const FORMS = {
  dense: "dense",
  weights: "80 % of all weights zero",
  neurons: "80 % of the MLPs' neurons dead",
  shrunk: "dead neurons removed (`train shrink`)",
} as const;

function inferenceParts(): string[] {
  const { forms } = inference.parse(
    JSON.parse(readFileSync(join(root, "research/sparse/results/inference.json"), "utf8")),
  );
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const rows = forms.map(({ form, bytes, gzip, bitmask, prompt, token }) => [
    ...[FORMS[form], prompt.toFixed(0), token.toFixed(1), ...[bytes, gzip, bitmask].map(megabytes)],
  ]);
  const head = ["model", "256 tokens, ms", "next token, ms", "float32, MB", "gzip", "bit mask and values"];
  return ["### Zeros in inference", markdownTable(head, rows)];
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(LAW, `${JSON.stringify(fitsOf(doneRuns().filter(({ part }) => part === "law")), null, 2)}\n`);
  writeSection(PAGE, SECTION, sparseSection());
}
