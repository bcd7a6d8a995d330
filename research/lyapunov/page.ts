/** Writes the tables of research/lyapunov/results from its files: `npx tsx research/lyapunov/page.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { readPeers } from "./lines.ts";
import { matchedTables } from "./matched-tables.ts";
import { peerTables } from "./tables.ts";

export const PAGE = "research/lyapunov/README.md";
export const SECTION = "lyapunov-results";

const FOLDER = join(root, "research/lyapunov/results");
const lines = <T>(name: string): T[] =>
  readFileSync(join(FOLDER, name), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

const signed = (value: number, digits: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const percent = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;
const agreement = (share: number): string => `${(100 * share).toFixed(1)} %`;

interface Exponents {
  readonly model: string;
  readonly steps: number;
  readonly seed: number;
  readonly max: number;
  readonly notNegative: number;
  readonly grown: readonly number[];
}

interface Whole {
  readonly max: number;
  readonly layers: readonly { readonly grown: { readonly exponent: number } }[];
  readonly loops: {
    readonly open: number;
    readonly mean: number;
    readonly sampled: readonly { readonly temperature: number; readonly exponent: number }[];
  };
}

const wholes = (): Whole[] =>
  [0, 1, 2].map((seed) => JSON.parse(readFileSync(join(FOLDER, `mamba-tiny-${seed}.json`), "utf8")) as Whole);

function exponentsTable(): string {
  const all = lines<Exponents>("exponents.jsonl").toSorted(
    (a, b) => a.model.localeCompare(b.model) || a.steps - b.steps || a.seed - b.seed,
  );
  const kinds = new Set(all.map(({ model, steps }) => `${model} ${steps}`));
  const runsOf = (kind: string) => all.filter(({ model, steps }) => `${model} ${steps}` === kind);
  const rows = [...kinds]
    .map(runsOf)
    .map((runs) => [
      runs[0]!.model,
      `${runs[0]!.steps}`,
      `${runs.length}`,
      runs.map(({ max }) => signed(max, 5)).join(", "),
      `${runs.reduce((sum, { notNegative }) => sum + notNegative, 0)}`,
      signed(Math.min(...runs.flatMap(({ grown }) => grown)), 2),
    ]);
  return markdownTable(
    ["model", "steps", "seeds", "λ max of the model, by seed", "exponents ≥ 0", "smallest over layers with A = +exp"],
    rows,
  );
}

interface Arm {
  readonly arm: string;
  readonly kl: number;
  readonly agreement: number;
  readonly lateToEarly: number;
  readonly states?: readonly number[];
}

const MODELS: Readonly<Record<string, string>> = {
  "mamba-tiny-1024": "mamba-tiny, 1,024",
  "mamba-1-0": "Mamba, 1 step, 2,048",
  "mamba-300-0": "Mamba, 300 steps, 2,048",
  "shakespeare-64": "GPT (shakespeare), 64",
  "mamba-tiny-64": "mamba-tiny, 64",
};

const precisionTable = (): string =>
  markdownTable(
    ["model, tokens", "precision", "KL", "same top", "KL late / early", "states, first → last"],
    lines<{ model: string; arms: Arm[] }>("precision.jsonl").flatMap(({ model, arms }) =>
      arms.map(({ arm, kl, agreement: same, lateToEarly, states = [] }) => [
        ...[MODELS[model]!, arm, kl.toExponential(1), agreement(same), lateToEarly.toFixed(2)],
        states.length === 0 ? "none" : `${percent(states[0]!)} → ${percent(states.at(-1)!)}`,
      ]),
    ),
  );

interface Trained {
  readonly model: string;
  readonly seed: number;
  readonly loss: Readonly<Record<string, number>>;
  readonly arms: Readonly<Record<string, { readonly kl: number; readonly agreement: number }>>;
}

const TRAINED: Readonly<Record<string, string>> = { mamba2: "Mamba-2", gpt2: "GPT", gpt2low: "GPT, rate 1e-3" };

function trainingTable(): string {
  const all = lines<Trained>("training.jsonl");
  const rows = Object.keys(TRAINED).flatMap((model) => {
    const runs = all.filter((run) => run.model === model);
    const next = (i: number) => runs[(i + 1) % runs.length]!;
    const row = (name: string, arm: string, losses: readonly (number | undefined)[]) => {
      const some = runs.filter((_, i) => losses[i] !== undefined);
      if (some.length === 0) return [];
      return [
        [
          ...[TRAINED[model]!, name],
          losses.flatMap((loss) => (loss === undefined ? [] : [signed(loss, 4)])).join(", "),
          some.map(({ arms }) => arms[arm]!.kl.toExponential(1)).join(", "),
          agreement(mean(some.map(({ arms }) => arms[arm]!.agreement))),
        ],
      ];
    };
    const less = ({ loss }: Trained, precision: string) =>
      loss[precision] === undefined ? undefined : loss[precision] - loss["fp32"]!;
    return [
      ...["amp-bf16", "amp-fp16", "pure-bf16"].flatMap((precision) =>
        row(
          precision,
          `trained ${precision}`,
          runs.map((run) => (run.arms[`trained ${precision}`] ? less(run, precision) : undefined)),
        ),
      ),
      ...row(
        "float32, another seed",
        "another seed",
        runs.map((run, i) => next(i).loss["fp32"]! - run.loss["fp32"]!),
      ),
    ];
  });
  const head = ["held-out loss − fp32's, by seed", "KL from fp32's, by seed", "same top"];
  return markdownTable(["model", "trained in", ...head], rows);
}

function loopsTable(): string {
  const seeds = wholes().map(({ loops }) => loops);
  const row = (name: string, of: (loops: Whole["loops"]) => number) => [
    name,
    ...seeds.map((one) => signed(of(one), 4)),
  ];
  return markdownTable(
    ["both read", "seed 0", "seed 1", "seed 2"],
    [
      row("the text", ({ open }) => open),
      row("their own mean guess", (loops) => loops.mean),
      ...seeds[0]!.sampled.map(({ temperature }, i) =>
        row(`their own sample, temperature ${temperature}`, ({ sampled }) => sampled[i]!.exponent),
      ),
    ],
  );
}

function tinyLine(): string {
  const [{ max, layers }] = wholes() as [Whole];
  const grown = Math.min(...layers.map((layer) => layer.grown.exponent));
  return `mamba-tiny, 900 steps, 1,024 tokens: λ max ${signed(max, 5)}; the smallest of its layers with A = +exp ${signed(grown, 2)}.`;
}

/** The tables of exponents, precisions, trainings and loops, and of the larger peers once they are measured. */
export const lyapunovSection = (): string => {
  const peers = readPeers();
  return [
    ...(peers.length > 0 ? peerTables(peers) : []),
    ...matchedTables(),
    ...["### Exponents", exponentsTable(), tinyLine()],
    ...["### Precisions, by position", precisionTable()],
    ...["### Training in a precision", trainingTable()],
    ...["### Loops of mamba-tiny, nats a token", loopsTable()],
  ].join("\n\n");
};

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, lyapunovSection());
