/**
 * Peers of about equal size under mixed precision: `npx tsx research/lyapunov/train.ts OUT PROSE.txt [STEPS [KIND]]`
 * trains Mamba, Mamba-2, a GPT and a recurrent network, whole and by adapters, in three precisions with three seeds,
 * measures them, and writes the results so far into research/lyapunov/results/peers.jsonl. Finished runs are skipped; a
 * stopped one resumes. With KIND, only that kind is trained, so that two kinds can run in parallel.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rowsOf } from "../moe/domains.ts";
import {
  folderOf,
  type Kind,
  kinds,
  type Place,
  type Precision,
  precisions,
  type Run,
  SEEDS,
  type Stage,
  stages,
  TUNING_SEED,
} from "./arms.ts";
import { writePeers } from "./lines.ts";
import { type Models, measureDivergence, measureExponents } from "./measure.ts";
import { measurePrecision } from "./precision/measure.ts";
import { lossOf, trained } from "./runs.ts";

/** Rows of code: what adapters learn, and what they are measured on. */
const [LEARNT, HELD_OUT] = [1600, 40];
/** The share of the steps at which exponents are measured during training. */
const DURING = 0.25;

const [out = "", prose = "", steps = "400", only] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const write = (name: string, text: string): string => {
  const file = join(out, name);
  writeFileSync(file, text);
  return file;
};
const place: Place = {
  ...{ out, prose, steps: Number(steps) },
  code: write("code.txt", rowsOf("code", LEARNT, 1, prose).join("")),
};
/** Texts that no run trained on. */
const heldOut: Readonly<Record<Stage, string>> = {
  whole: readFileSync(prose, "utf8").slice(-100_000),
  adapter: rowsOf("code", HELD_OUT, 777, prose).join(""),
};

/** The better learning rate of a kind in float32, with a seed used in no result. */
async function bestRate(kind: Kind, stage: Stage, base: string): Promise<number> {
  const tried: { rate: number; loss: number }[] = [];
  for (const rate of stages[stage].rates) {
    const folder = await trained({ kind, stage, rate, seed: TUNING_SEED, precision: "fp32" }, place, base);
    tried.push({ rate, loss: lossOf(folder) });
  }
  return tried.toSorted((a, b) => a.loss - b.loss)[0]!.rate;
}

/** Keeps what was measured, so that it is measured once. */
async function stored<T>(name: string, measure: () => Promise<T>): Promise<T> {
  const file = join(out, `${name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const found = await measure();
  writeFileSync(file, JSON.stringify(found));
  return found;
}

/** The runs of one kind in one stage, at its better rate. */
interface Arms {
  run(seed: number, precision: Precision, part?: number): Run;
  /** A run's model; for an adapter, its base with the adapter. */
  model(run: Run): Models;
}

/** The arms of a stage, of all seeds. An adapter's base is the seed's own model in float32. */
async function stageOf(kind: Kind, stage: Stage, baseOf: (seed: number) => string): Promise<(seed: number) => string> {
  const rate = await bestRate(kind, stage, baseOf(TUNING_SEED));
  const run: Arms["run"] = (seed, precision, part) => ({
    ...{ kind, stage, seed, precision, rate },
    ...(part !== undefined && { part }),
  });
  const model: Arms["model"] = (of) => {
    const folder = join(out, folderOf(of));
    return stage === "whole" ? { base: folder } : { base: baseOf(of.seed), adapter: folder };
  };
  for (const seed of SEEDS)
    for (const precision of precisions) await trained(run(seed, precision), place, baseOf(seed));
  for (const seed of SEEDS) await divergenceOf({ run, model }, seed);
  if (stage === "whole") for (const seed of SEEDS) await positionsOf(kind, seed, model(run(seed, "fp32")).base);
  if (kind !== "gpt2") for (const seed of SEEDS) await exponentsOf({ run, model }, seed);
  return (seed) => join(out, folderOf(run(seed, "fp32")));
}

/** A seed's models against that in float32, and the next seed's as a yardstick. */
async function divergenceOf({ run, model }: Arms, seed: number): Promise<void> {
  const reference = run(seed, "fp32");
  const { kind, stage, rate } = reference;
  const others = precisions.slice(1).map((precision) => ({ arm: precision, ...model(run(seed, precision)) }));
  const next = model(run(SEEDS[(seed + 1) % SEEDS.length]!, "fp32"));
  const losses = precisions.map((precision) => [precision, lossOf(join(out, folderOf(run(seed, precision))))]);
  await stored(`divergence-${folderOf(reference)}`, async () => ({
    ...{ what: "divergence", kind, stage, seed, rate, steps: place.steps, loss: Object.fromEntries(losses) },
    arms: await measureDivergence(model(reference), [...others, { arm: "another seed", ...next }], heldOut[stage]),
  }));
}

/** A model's own divergence in other precisions by position: over 1,024 tokens, or a GPT's rows of 64. */
async function positionsOf(kind: Kind, seed: number, folder: string): Promise<void> {
  const [tokens, windows] = kind === "gpt2" ? [64, 16] : [1024, 1];
  await stored(`precision-${kind}-${seed}`, async () => {
    const source = { name: kind, path: folder, bytes: 0, source: "file" };
    const { arms } = await measurePrecision(source, [], heldOut.whole, { tokens, windows });
    return { what: "precision", kind, stage: "whole", seed, tokens, arms };
  });
}

/** λ before, during and after training, and after it in other precisions. */
async function exponentsOf({ run, model }: Arms, seed: number): Promise<void> {
  const { stage } = run(seed, "fp32");
  const parts = stage === "whole" ? [0, DURING].map((part) => run(seed, "fp32", part)) : [];
  for (const each of parts) await trained(each, place);
  for (const each of [...parts, ...precisions.map((precision) => run(seed, precision))]) {
    const { kind, precision, part = 1 } = each;
    await stored(`exponents-${folderOf(each)}`, async () => ({
      ...{ what: "exponents", kind, stage, seed, precision, part },
      ...(await measureExponents(model(each), heldOut[stage], seed, precision === "fp32" && part !== DURING)),
    }));
  }
}

for (const kind of Object.keys(kinds) as Kind[]) {
  if (only !== undefined && only !== kind) continue;
  await stageOf(kind, "adapter", await stageOf(kind, "whole", () => ""));
  writePeers(out);
}
