import type { PlanPipeline } from "../../src/index.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import type { PlanModels } from "../../src/pipelines/plan/plan.ts";
import { mean } from "../../src/util/mean.ts";
import { type Answered, answerBy, noise, type Place, planningOf, planOf, textPlan } from "./arms.ts";
import type { Sample, World } from "./worlds/world.ts";

type Interval = readonly [low: number, high: number];

/** One arm on one set of questions. */
export interface ArmRow {
  readonly executor: "half plans" | "no plans" | "frozen";
  readonly task: Sample["task"];
  readonly arm: string;
  readonly accuracy: number;
  readonly ci95: Interval;
  /** Against the executor alone, on the same questions. */
  readonly gain: { readonly mean: number; readonly ci95: Interval };
  /** The latent vectors' accuracy minus this arm's, on the same questions. */
  readonly latentGain: { readonly mean: number; readonly ci95: Interval };
  /** Means per question. */
  readonly planTokens: number;
  readonly answerTokens: number;
  readonly passes: number;
  readonly flops: number;
  readonly ms: number;
  /** One digit per question: 1 for right. */
  readonly right: string;
}

export interface Share {
  readonly accuracy: number;
  readonly ci95: Interval;
}

/** One digit per question: 1 for right. */
export const digits = (all: readonly boolean[]): string => all.map(Number).join("");
const partsOf = (right: string): number[][] => [...right].map((digit) => [Number(digit)]);
const quality = (parts: readonly (readonly number[])[]): number => mean(parts.map(([share]) => share!));
/** Accuracy with its interval. */
export const shareOf = (right: string) => {
  const { quality: accuracy, ci95 } = bootstrap(partsOf(right), quality, { seed: 0, resamples: 2000 });
  return { accuracy, ci95 };
};
/** The gain in accuracy over other answers to the same questions, paired. */
export const gainOf = (right: string, than: string) =>
  pairedDelta(partsOf(right), partsOf(than), quality, { seed: 0, resamples: 2000 });

/** All arms on some questions; `controls` have projectors that were trained without a plan. */
export async function armsOf(
  world: World,
  executor: ArmRow["executor"],
  pipeline: PlanPipeline,
  controls: Readonly<Record<string, PlanPipeline>>,
  samples: readonly Sample[],
): Promise<ArmRow[]> {
  const models = pipeline.opened;
  const [text, latent] = [planningOf("text", world), planningOf("latent", world)];
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
        { models: control.opened, place: planOf(control.opened, samples, latent) },
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
