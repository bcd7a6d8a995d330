import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { StepReport } from "../../src/index.ts";
import { costOf, rungsOf, windowOf } from "../../src/train/sweep/rungs.ts";
import { rankedBy, stepAt, survivors, type WatchedRun } from "../../src/train/sweep/screen.ts";
import { screenOptions } from "../../src/train/sweep/screen-options.ts";
import { mean } from "../../src/util/mean.ts";
import { ranksOf, spearman } from "../../src/util/ranks.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import type { RealResult, RealRun, ScreenedResult, ScreenedRun } from "./real.ts";
import type { SeedRun } from "./seeds.ts";
import { BATCHES, RATES, type ToyRun } from "./toy.ts";

export const PAGE = "research/sft/README.md";
export const SECTION = "sft-results";

const two = (value: number): string => value.toFixed(2);
const three = (value: number): string => value.toFixed(3);
const percent = (value: number): string => `${Math.round(100 * value)} %`;

function read<T>(name: string): T | undefined {
  const file = join(root, "research/sft/results", `${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/** The tables of the committed runs. */
export function sftSection(): string {
  const [toy, real] = [read<ToyRun[]>("facts"), read<RealResult>("banking77")];
  return [...(toy ? toyParts(toy) : []), ...(real ? realParts(real) : [])].join("\n\n");
}

/** The share of the first steps that the toy's runs are judged by. */
const WINDOW = 0.05;
const KEPT = 3;
const quality = ({ facts, heldOut }: ToyRun): number => (facts + heldOut) / 2;

function toyParts(all: readonly ToyRun[]): string[] {
  const seeds = [...new Set(all.map(({ seed }) => seed))].filter((seed) =>
    all.some((r) => r.seed === seed && r.kind === "phased"),
  );
  const runs = all.filter(({ seed }) => seeds.includes(seed));
  return [
    `### Facts, a skill and a new format (${seeds.length} seeds)`,
    gridTable(runs),
    screenTable(runs, seeds),
    pairTable(runs, seeds),
  ];
}

function gridTable(runs: readonly ToyRun[]): string {
  const at = (lr: number, batch: number) => runs.filter((r) => r.kind === "grid" && r.lr === lr && r.batch === batch);
  const base = runs.filter(({ kind }) => kind === "base");
  const cells = (own: readonly ToyRun[]) =>
    `${two(mean(own.map((r) => r.facts)))} / ${two(mean(own.map((r) => r.heldOut)))}`;
  const rows = RATES.map((lr) => [`${lr}`, ...BATCHES.map((batch) => cells(at(lr, batch)))]);
  const head = ["facts kept / held-out keys", ...BATCHES.map((batch) => `batch ${batch}`)];
  return `${markdownTable(head, rows)}\n\nBefore fine-tuning: ${cells(base)}. ${risesSentence(runs)}`;
}

/** How often the share of retained facts rises with the batch size, over seeds and rates up to 3e-4. */
function risesSentence(runs: readonly ToyRun[]): string {
  const grid = runs.filter(({ kind, lr }) => kind === "grid" && lr <= 3e-4);
  const pairs = [...new Set(grid.map(({ seed, lr }) => `${seed} ${lr}`))];
  const groups = pairs.map((pair) => grid.filter(({ seed, lr }) => `${seed} ${lr}` === pair));
  const rising = groups.filter((group) => {
    const facts = group.toSorted((a, b) => a.batch - b.batch).map((run) => run.facts);
    return facts.every((share, i) => i === 0 || share > facts[i - 1]!);
  });
  return `Facts kept rise with the batch in ${rising.length} of ${groups.length} pairs of seed and rate up to 3e-4.`;
}

/** The mean over all choices of `k` values of the best of them. */
function bestOfRandom(values: readonly number[], k: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const choices = (n: number, m: number): number => (m === 0 ? 1 : (choices(n - 1, m - 1) * n) / m);
  return (
    sorted.reduce((sum, value, i) => sum + (i < k - 1 ? 0 : value * choices(i, k - 1)), 0) / choices(values.length, k)
  );
}

function screenTable(runs: readonly ToyRun[], seeds: readonly number[]): string {
  const rows = seeds.map((seed) => {
    const grid = runs.filter((run) => run.seed === seed && run.kind === "grid");
    const losses = grid.map((run) => mean(run.losses.slice(0, windowSteps(run))));
    const norms = grid.map((run) => mean(run.norms.slice(0, windowSteps(run))));
    const ranks = ranksOf(losses.map((loss) => -loss));
    const base = quality(runs.find((run) => run.seed === seed && run.kind === "base")!);
    const best = Math.max(...grid.map(quality));
    const leading = grid.filter((_, i) => ranks[i]! <= KEPT).map(quality);
    return [
      `${seed}`,
      ...[spearman(losses, grid.map(quality)), spearman(norms, grid.map(quality))].map(two),
      ...[
        spearman(
          losses,
          grid.map((run) => run.trained),
        ),
        spearman(
          losses,
          grid.map((run) => run.heldOut),
        ),
      ].map(two),
      ...[base, best, Math.max(...leading), bestOfRandom(grid.map(quality), KEPT)].map(three),
    ];
  });
  const head = ["seed", "loss and score", "norm and score", "loss and trained keys", "loss and held-out keys"];
  const columns = ["score before", "best score", `best of ${KEPT} with the highest early loss`, `of ${KEPT} at random`];
  return markdownTable([...head, ...columns], rows);
}

const windowSteps = ({ steps }: ToyRun): number => Math.max(1, Math.round(WINDOW * steps));

function pairTable(runs: readonly ToyRun[], seeds: readonly number[]): string {
  const own = (kind: string, lr: number, batch: number) =>
    seeds.map((seed) => runs.find((r) => r.seed === seed && r.kind === kind && r.lr === lr && r.batch === batch)!);
  const row = (name: string, all: readonly ToyRun[]) => [
    name,
    ...(["facts", "skill", "trained", "heldOut"] as const).map((field) => all.map((run) => two(run[field])).join(", ")),
  ];
  return markdownTable(
    ["run", "facts kept", "skill kept", "trained keys", "held-out keys"],
    [
      row("stacked, batch 512, 3e-4", own("grid", 3e-4, 512)),
      row("two phases, batch 512, 3e-4", own("phased", 3e-4, 512)),
      row("constant, batch 64, 3e-4", own("grid", 3e-4, 64)),
      row("cosine", own("cosine", 3e-4, 64)),
      row("constant after 5 steps of warm-up", own("warm-up", 3e-4, 64)),
    ],
  );
}

function realParts({ runs, items, base }: RealResult): string[] {
  const grid = runs.filter(({ labels, seed }) => labels === "true" && seed === 0);
  const others = runs.filter((run) => !grid.includes(run));
  const row = (run: RealRun) => [
    ...[`${run.lr}`, `${run.rank}`, `${run.seed}`, run.labels],
    ...[run.heldOut[0]!.loss, Math.min(...run.heldOut.map(({ loss }) => loss)), run.accuracy].map(three),
    run.minutes.toFixed(1),
  ];
  const head = ["lr", "rank", "seed", "labels", "held-out loss at step 20", "best", "accuracy", "minutes"];
  const order = [...grid.toSorted((a, b) => bestLoss(a) - bestLoss(b)), ...others];
  const before = base === undefined ? [] : [`Before training the accuracy is ${three(base)}.`];
  return [
    `### Banking77 with LoRA on SmolLM2 (accuracy on ${items} messages of the test set)`,
    [markdownTable(head, order.map(row)), ...before].join("\n\n"),
    ...(grid.length > 2 ? [screenedTable(grid), ...screenedRuns(grid)] : []),
    ...seedsTable(),
  ];
}

/** The sweep that was screened while it ran, beside the complete runs. */
function screenedRuns(grid: readonly RealRun[]): string[] {
  const screened = read<ScreenedResult>("banking77-screened");
  if (!screened) return [];
  const whole = (run: ScreenedRun) => grid.find(({ lr, rank }) => lr === run.lr && rank === run.rank)!;
  const far = screened.runs.map((run) =>
    run.losses.reduce((most, loss, i) => Math.max(most, Math.abs(loss - whole(run).losses[i]!)), 0),
  );
  const rows = screened.runs.map((run, i) => [
    ...[`${run.lr}`, `${run.rank}`, `${run.losses.length}`, three(Math.min(...run.heldOut.map(({ loss }) => loss)))],
    far[i] === 0 ? "none" : far[i]!.toPrecision(2),
  ]);
  return [
    `The real halving run took ${percent(screened.compute)} of the FLOPs of all complete runs:`,
    markdownTable(
      ["lr", "rank", "steps", "best held-out loss", "largest difference from the complete run's losses"],
      rows,
    ),
  ];
}

/** Sweeps of twelve settings, each of one seed and screened by the task itself. */
function seedsTable(): string[] {
  const runs = read<SeedRun[]>("banking77-seeds") ?? [];
  const seeds = [...new Set(runs.map(({ seed }) => seed))];
  const rows = seeds.flatMap((seed) => {
    const own = runs.filter((run) => run.seed === seed);
    return own
      .filter(({ accuracy }) => accuracy !== undefined)
      .map(({ lr, rank, screening, heldOut, accuracy }) => [
        ...[`${seed}`, `${lr}`, `${rank}`, three(screening.at(-1)![1]), three(heldOut.at(-1)![1]), three(accuracy!)],
      ]);
  });
  const head = ["seed", "lr", "rank", "screening messages", "held-out loss", "accuracy"];
  return rows.length === 0 ? [] : [SEEDS_TITLE, markdownTable(head, rows)];
}

const SEEDS_TITLE = "### Twelve settings, screened by the task: the runs that finished";

const bestLoss = ({ heldOut }: RealRun): number => Math.min(...heldOut.map(({ loss }) => loss));

/** The runs that each mode would have kept, from the complete runs: a screened run is the beginning of the same run. */
function screenedTable(grid: readonly RealRun[]): string {
  const watched = grid.map(watchedOf);
  const measure = { best: "loss", tasks: [] };
  const [winner] = grid.toSorted((a, b) => bestLoss(a) - bestLoss(b));
  const rows = (["halving", "paper"] as const).map((mode) => {
    const options = screenOptions.parse(mode);
    const window = windowOf(
      options,
      watched.map(({ steps }) => steps),
    );
    const rungs = rungsOf(options, watched.length, window);
    const rest = rungs.reduce<readonly WatchedRun[]>((runs, rung) => survivors(rung, runs, options, measure), watched);
    const names = grid.filter(({ name }) => rest.some(({ out }) => out === name));
    const steps = rungs.map(({ share }) => stepAt(share, watched[0]!.steps)).join(", ");
    return [
      ...[mode, steps, names.map(({ lr, rank }) => `lr ${lr}, rank ${rank}`).join("; ")],
      ...[names.includes(winner!) ? "yes" : "no", three(Math.min(...names.map(bestLoss)))],
      ...[percent(costOf(rungs, watched.length))],
    ];
  });
  const random = -bestOfRandom(
    grid.map((run) => -bestLoss(run)),
    2,
  );
  rows.push(["two at random", "", "", percent(2 / grid.length), three(random), ""]);
  const ranking = rankedBy(screenOptions.parse("report"), 0.2, watched);
  const place = (name: string) => ranking.findIndex(({ out }) => out === name) + 1;
  return [
    markdownTable(
      ["screen", "cuts after steps", "kept", "the best run is kept", "best held-out loss", "compute"],
      rows,
    ),
    `The rule of early loss and gradient norm ranks the best run ${place(winner!.name)} of ${grid.length}.`,
  ].join("\n\n");
}

function watchedOf({ name, losses, norms, heldOut }: RealRun): WatchedRun {
  const done = losses.map((loss, i): StepReport => {
    const validation = heldOut.find(({ step }) => step === i + 1)?.loss;
    return {
      ...{
        step: i + 1,
        steps: losses.length,
        loss,
        norm: norms[i]!,
        rate: 0,
        labelled: 0,
        tokens: 0,
        samples: 0,
        ms: 0,
      },
      ...(validation !== undefined && { validation }),
    };
  });
  return { out: name, steps: losses.length, done };
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, sftSection());
