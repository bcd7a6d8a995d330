import { mkdirSync } from "node:fs";
import path from "node:path";
import { denoise } from "../../src/engine/diffusion/denoise.ts";
import type { DiffusionModel } from "../../src/engine/diffusion/diffusion-model.ts";
import { type DiffusionInput, diffusionOptions } from "../../src/engine/diffusion/options.ts";
import { plannerPrompt } from "../../src/engine/plan/template.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { openPlanner, type PlanPipeline } from "../../src/library/plan-pipeline.ts";
import type { PlanModels } from "../../src/pipelines/plan/plan.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { root } from "../section.ts";
import { type Answered, answerBy, noise, type Place, planningOf, planOf, textPlan, writtenPlan } from "./arms.ts";
import { anyLookUp, isKnown } from "./worlds/look-ups.ts";
import type { Sample, World } from "./worlds/world.ts";

const QUESTIONS = 300;

type Interval = readonly [low: number, high: number];

/** One arm on one set of questions. */
export interface ArmRow {
  readonly executor: "half plans" | "no plans";
  readonly task: Sample["task"];
  readonly arm: string;
  readonly accuracy: number;
  readonly ci95: Interval;
  /** Against the executor alone, on the same questions. */
  readonly gain: { readonly mean: number; readonly ci95: Interval };
  /** Latent vectors' accuracy less this arm's, on the same questions. */
  readonly latentGain: { readonly mean: number; readonly ci95: Interval };
  /** Means of a question. */
  readonly planTokens: number;
  readonly answerTokens: number;
  readonly passes: number;
  readonly flops: number;
  readonly ms: number;
  /** A digit a question: 1 is right. */
  readonly right: string;
}

interface Share {
  readonly accuracy: number;
  readonly ci95: Interval;
}

/** Plans that a model finds by itself: their first part, which is the answer, and the whole. */
export interface PlannerRow {
  readonly model: string;
  readonly hop: Share;
  readonly path: Share;
}

/** The planner's plans by one way to fill in; means are of a question. */
export interface StepRow extends Omit<PlannerRow, "model"> {
  readonly setting: DiffusionInput;
  readonly passes: number;
  readonly flops: number;
  readonly ms: number;
  /** With a cache: the share of tokens that are those without it. */
  readonly sameTokens?: number;
}

/** The contents of the result's file. */
export interface Result {
  readonly questions: number;
  readonly planTokens: number;
  /** Accuracy of guessing among what questions allow, by task; missing in the first results. */
  readonly chance?: Readonly<Record<string, number>>;
  readonly arms: readonly ArmRow[];
  readonly planners: readonly PlannerRow[];
  readonly steps: readonly StepRow[];
  /** A digit a look-up: 1 if training showed its key. */
  readonly known: string;
}

const digits = (all: readonly boolean[]): string => all.map(Number).join("");
const partsOf = (right: string): number[][] => [...right].map((digit) => [Number(digit)]);
const quality = (parts: readonly (readonly number[])[]): number => mean(parts.map(([share]) => share!));
const shareOf = (right: string) => {
  const { quality: accuracy, ci95 } = bootstrap(partsOf(right), quality, { seed: 0, resamples: 2000 });
  return { accuracy, ci95 };
};
const gainOf = (right: string, than: string) =>
  pairedDelta(partsOf(right), partsOf(than), quality, { seed: 0, resamples: 2000 });

/** Folders of what a run has trained. */
export interface Trained {
  readonly folder: string;
  readonly planner: string;
  /** The executor that saw half plans. */
  readonly executor: string;
}

/** Measures everything on what a run has trained, and writes the result. */
export async function measure(world: World, { folder, planner, executor }: Trained): Promise<void> {
  const open = (by: string, projector: string) =>
    openPlanner(`${planner}+${by}`, { projector: path.join(folder, projector), threads: 1 });
  const [seeded, others] = [seededRandom(77), seededRandom(78)];
  const tested = Array.from({ length: QUESTIONS }, () => world.tested(seeded));
  const facts = Array.from({ length: QUESTIONS }, () => anyLookUp(others));
  const arms: ArmRow[] = [];
  using own = await open(executor, "projector-plan");
  const controls = {
    constant: await open(executor, "projector-constant"),
    question: await open(executor, "projector-question"),
    executor: await open(executor, "projector-executor"),
  };
  for (const samples of [tested, facts]) arms.push(...(await armsOf(world, "half plans", own, controls, samples)));
  for (const control of Object.values(controls)) control.dispose();
  using never = await open(path.join(folder, "executor-plain"), "projector-plain");
  for (const samples of [tested, facts]) arms.push(...(await armsOf(world, "no plans", never, {}, samples)));
  const planners = await plannersOf(world, own, tested);
  const steps = await stepsOf(world, own, tested);
  const chance = Object.fromEntries(
    [tested, facts].map((samples) => [samples[0]!.task, mean(samples.map((sample) => world.chance(sample)))]),
  );
  const known = digits(facts.map(isKnown));
  const result: Result = {
    ...{ questions: QUESTIONS, planTokens: world.planTokens, chance, arms, planners, steps, known },
  };
  const file = path.join(root, "docs", "results", "planner", `${world.name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  await writeJson(file, result);
}

const modelsOf = (pipeline: PlanPipeline): PlanModels => pipeline.opened;

async function armsOf(
  world: World,
  executor: ArmRow["executor"],
  pipeline: PlanPipeline,
  controls: Readonly<Record<string, PlanPipeline>>,
  samples: readonly Sample[],
): Promise<ArmRow[]> {
  const models = modelsOf(pipeline);
  const [text, latent] = [planningOf("text", world.planTokens), planningOf("latent", world.planTokens)];
  const arms: Record<string, { readonly models: PlanModels; readonly place: Place }> = {
    none: { models, place: async () => undefined },
    "text plan": { models, place: planOf(models, samples, text) },
    "text plan of another question": { models, place: planOf(models, samples, text, 1) },
    "right plan as text": { models, place: textPlan(models, samples) },
    "latent plan": { models, place: planOf(models, samples, latent) },
    "latent plan of another question": { models, place: planOf(models, samples, latent, 1) },
    "noise as long": { models, place: noise(models, samples, latent) },
    ...Object.fromEntries(
      Object.entries(controls).map(([name, control]) => [
        CONTROLS[name]!,
        { models: modelsOf(control), place: planOf(modelsOf(control), samples, latent) },
      ]),
    ),
  };
  const found = new Map<string, Answered[]>();
  for (const [name, { models: own, place }] of Object.entries(arms)) {
    const all: Answered[] = [];
    for (const [i, sample] of samples.entries()) all.push(await answerBy(own, world, sample, await place(i)));
    found.set(name, all);
    process.stderr.write(`${executor}, ${samples[0]!.task}, ${name}: ${mean(all.map(({ right }) => Number(right)))}\n`);
  }
  const rightOf = (name: string) => digits(found.get(name)!.map(({ right }) => right));
  return [...found].map(([arm, all]) => ({
    ...{ executor, task: samples[0]!.task, arm },
    ...shareOf(rightOf(arm)),
    gain: gainOf(rightOf(arm), rightOf("none")),
    latentGain: gainOf(rightOf("latent plan"), rightOf(arm)),
    planTokens: mean(all.map(({ planTokens }) => planTokens)),
    answerTokens: mean(all.map(({ answerTokens }) => answerTokens)),
    passes: mean(all.map(({ passes }) => passes)),
    flops: Math.round(mean(all.map(({ flops }) => flops))),
    ms: mean(all.map(({ ms }) => ms)),
    right: rightOf(arm),
  }));
}

/** The names of controls whose projectors were trained for them. */
const CONTROLS: Readonly<Record<string, string>> = {
  constant: "constant vectors, trained",
  question: "question's token rows, trained",
  executor: "executor's own states, trained",
};

/** Plans by the diffusion model and by the next-token model. */
async function plannersOf(world: World, pipeline: PlanPipeline, samples: readonly Sample[]): Promise<PlannerRow[]> {
  const models = modelsOf(pipeline);
  const rows: { model: string; right: { hop: boolean; path: boolean }[] }[] = [
    { model: "masked diffusion", right: [] },
    { model: "next token", right: [] },
  ];
  for (const sample of samples) {
    const { text } = await planBy(models.planner, world, sample, {});
    const written = await writtenPlan(models, sample, world.planTokens);
    for (const [i, found] of [text, written].entries())
      rows[i]!.right.push({ hop: world.opens(sample, found), path: world.solves(sample, found) });
  }
  return rows.map(({ model, right }) => ({
    model,
    hop: shareOf(digits(right.map(({ hop }) => hop))),
    path: shareOf(digits(right.map(({ path: whole }) => whole))),
  }));
}

/** A plan by the diffusion model alone, its passes and its cost. */
async function planBy(planner: DiffusionModel, { planTokens }: World, { question }: Sample, asked: DiffusionInput) {
  const diffusion = diffusionOptions.parse(asked);
  const prompt = plannerPrompt(planner.tokenizer, "bare-1", question);
  const schedule = planner.schedule(prompt, planTokens, diffusion);
  using run = planner.run(prompt.length + planTokens, planTokens);
  const started = performance.now();
  let ids = new Int32Array();
  for await (const { answer } of denoise(run, planner.task(prompt, { temperature: 0 }), schedule, diffusion))
    ids = answer.slice();
  const text = planner.tokenizer.decode([...ids].filter((id) => !planner.tokenizer.stopIds.has(id)));
  return { text, ids, passes: run.passes, flops: run.spent.flops, ms: performance.now() - started };
}

/** The settings of filling in that are compared. */
const settingsOf = ({ planTokens, steps }: World): DiffusionInput[] => [
  ...steps.map((count) => ({ steps: count })),
  ...[0.5, 0.9, 0.99].map((threshold) => ({ threshold })),
  { remasking: "random" },
  { block: planTokens / 2 },
  { block: planTokens / 2, cache: true },
];

async function stepsOf(world: World, pipeline: PlanPipeline, samples: readonly Sample[]): Promise<StepRow[]> {
  const { planner } = modelsOf(pipeline);
  const rows: StepRow[] = [];
  let uncached: Int32Array[] = [];
  for (const setting of settingsOf(world)) {
    const all: Awaited<ReturnType<typeof planBy>>[] = [];
    for (const sample of samples) all.push(await planBy(planner, world, sample, setting));
    const right = (of: (i: number) => boolean) => shareOf(digits(samples.map((_, i) => of(i))));
    const ids = all.map((each) => each.ids);
    const same = setting.cache ? agreement(ids, uncached) : undefined;
    uncached = ids;
    rows.push({
      setting,
      hop: right((i) => world.opens(samples[i]!, all[i]!.text)),
      path: right((i) => world.solves(samples[i]!, all[i]!.text)),
      passes: mean(all.map(({ passes }) => passes)),
      flops: Math.round(mean(all.map(({ flops }) => flops))),
      ms: mean(all.map(({ ms }) => ms)),
      ...(same !== undefined && { sameTokens: same }),
    });
  }
  return rows;
}

/** The share of tokens that are the same in two lists of plans. */
const agreement = (a: readonly Int32Array[], b: readonly Int32Array[]): number =>
  mean(a.flatMap((ids, i) => [...ids].map((id, at) => Number(id === b[i]![at]))));
