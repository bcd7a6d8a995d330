/**
 * Peers under mixed precision at equal held-out loss: `npx tsx research/lyapunov/matched.ts OUT PROSE.txt [STEPS
 * [KINDS]]`. Each kind gets the best rate of a ladder on which both neighbours are worse, chosen with a separate seed.
 * The worst of the kinds' best losses is the common loss; the others are trained for the number of steps that comes
 * nearest to it. Appends lines to research/lyapunov/results/matched.jsonl, and skips existing ones; OUT keeps finished
 * runs.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { folderOf, type Kind, type Place, type Precision, type Run, SEEDS, TUNING_SEED } from "./arms.ts";
import { type MatchedLine, MIXED, matchedLines, tuningLines, writeLine } from "./matched-lines.ts";
import { measureDivergence } from "./measure.ts";
import { lossOf, trained } from "./runs.ts";

const LADDER = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1];
/** The rate of all kinds in the earlier tables. */
const COMMON_RATE = 3e-3;
/** The places of the ladder that are tried first. */
const FIRST = [2, 3] as const;
const PRECISIONS = ["fp32", MIXED] as const;
/** Shares of all steps that a kind may be trained for. */
const PARTS = Array.from({ length: 16 }, (_, i) => (i + 1) / 16);

const [out = "", prose = "", steps = "400", only = "mamba,gpt2,rnn,mamba2"] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const place: Place = { out, prose, code: "", steps: Number(steps) };
const heldOut = readFileSync(prose, "utf8").slice(-100_000);
const stepsOf = (part: number): number => Math.round(place.steps * part);

const runOf = (kind: Kind, rate: number, part: number, seed: number, precision: Precision): Run => ({
  ...{ kind, stage: "whole", seed, precision, rate, part },
});

/** The held-out loss with the tuning seed. */
async function tunedLoss(kind: Kind, rate: number, part: number): Promise<number> {
  const done = tuningLines().find((line) => line.kind === kind && line.rate === rate && line.steps === stepsOf(part));
  if (done) return done.loss;
  const loss = lossOf(await trained(runOf(kind, rate, part, TUNING_SEED, "fp32"), place));
  writeLine({ what: "tuning", kind, rate, steps: stepsOf(part), loss });
  return loss;
}

interface Tuned {
  readonly rate: number;
  readonly loss: number;
}

/** The best rate, with a worse one on either side unless the ladder ends there. */
async function bestRate(kind: Kind): Promise<Tuned> {
  let [low, high] = FIRST as readonly [number, number];
  for (;;) {
    const tried: Tuned[] = [];
    for (const rate of LADDER.slice(low, high + 1)) tried.push({ rate, loss: await tunedLoss(kind, rate, 1) });
    const best = tried.reduce((a, b) => (b.loss < a.loss ? b : a));
    if (best === tried[0] && low > 0) low--;
    else if (best === tried.at(-1) && high < LADDER.length - 1) high++;
    else return best;
  }
}

/** The share of the steps whose loss is nearest to the wanted one. */
async function nearestPart(kind: Kind, { rate }: Tuned, wanted: number): Promise<number> {
  let [low, high] = [0, PARTS.length - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await tunedLoss(kind, rate, PARTS[middle]!)) <= wanted) high = middle;
    else low = middle + 1;
  }
  const around = PARTS.slice(Math.max(0, low - 1), low + 1);
  const losses: number[] = [];
  for (const part of around) losses.push(Math.abs((await tunedLoss(kind, rate, part)) - wanted));
  return around[losses.indexOf(Math.min(...losses))]!;
}

/** A seed's models in mixed precision against that in float32, and the next seed's as a yardstick. */
async function matched(kind: Kind, { rate }: Tuned, part: number, seed: number): Promise<void> {
  const steps = stepsOf(part);
  const isThis = (line: MatchedLine) => line.kind === kind && line.rate === rate && line.steps === steps;
  if (matchedLines().some((line) => isThis(line) && line.seed === seed)) return;
  const run = (precision: Precision, of = seed) => runOf(kind, rate, part, of, precision);
  const folders = new Map<Precision, string>();
  for (const precision of PRECISIONS) folders.set(precision, await trained(run(precision), place));
  const next = await trained(run("fp32", SEEDS[(seed + 1) % SEEDS.length]!), place);
  const loss = { fp32: lossOf(folders.get("fp32")!), [MIXED]: lossOf(folders.get(MIXED)!) };
  const others = [{ arm: MIXED, base: folders.get(MIXED)! }];
  const arms = await measureDivergence(
    { base: folders.get("fp32")! },
    [...others, { arm: "another seed", base: next }],
    heldOut,
  );
  process.stderr.write(`${folderOf(run("fp32"))}: ${JSON.stringify(arms)}\n`);
  writeLine({ what: "matched", kind, seed, rate, steps, loss, arms });
}

const tuned = new Map<Kind, Tuned>();
for (const kind of only.split(",") as Kind[]) tuned.set(kind, await bestRate(kind));
const wanted = Math.max(...[...tuned.values()].map(({ loss }) => loss));
const parts = new Map<Kind, number>();
for (const [kind, best] of tuned) parts.set(kind, best.loss === wanted ? 1 : await nearestPart(kind, best, wanted));
for (const seed of SEEDS) for (const [kind, best] of tuned) await matched(kind, best, parts.get(kind)!, seed);
// A kind with another best rate than the earlier tables had: at that rate with the common loss, and at its own for all steps.
for (const [kind, best] of [...tuned].filter(([, { rate }]) => rate !== COMMON_RATE)) {
  const common = { rate: COMMON_RATE, loss: await tunedLoss(kind, COMMON_RATE, 1) };
  const part = await nearestPart(kind, common, wanted);
  for (const seed of SEEDS) await matched(kind, common, part, seed);
  for (const seed of SEEDS) await matched(kind, best, 1, seed);
}
