import { denoise } from "../../src/engine/diffusion/denoise.ts";
import type { DiffusionModel } from "../../src/engine/diffusion/diffusion-model.ts";
import { type DiffusionInput, diffusionOptions } from "../../src/engine/diffusion/options.ts";
import { plannerPrompt } from "../../src/engine/diffusion/plan/template.ts";
import type { PlanPipeline } from "../../src/index.ts";
import { mean } from "../../src/util/mean.ts";
import { digits, type Share, shareOf } from "./arm-rows.ts";
import { writtenPlan } from "./arms.ts";
import type { Sample, World } from "./worlds/world.ts";

/** Plans that a model finds alone: the accuracy of their first part, which is the answer, and of the whole. */
export interface PlannerRow {
  readonly model: string;
  readonly hop: Share;
  readonly path: Share;
}

/** The planner's plans by one way to fill in; means are per question. */
export interface StepRow extends Omit<PlannerRow, "model"> {
  readonly setting: DiffusionInput;
  readonly passes: number;
  readonly flops: number;
  readonly ms: number;
  /** With a cache: the share of tokens equal to those without it. */
  readonly sameTokens?: number;
}

/** Plans by the diffusion model and by the next-token model. */
export async function plannersOf(
  world: World,
  pipeline: PlanPipeline,
  samples: readonly Sample[],
): Promise<PlannerRow[]> {
  const models = pipeline.opened;
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
async function planBy(
  planner: DiffusionModel,
  { planTokens, template }: World,
  { question }: Sample,
  input: DiffusionInput,
) {
  const diffusion = diffusionOptions.parse(input);
  const prompt = plannerPrompt(planner.tokenizer, template, question);
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

/** The planner by all settings of filling in. */
export async function stepsOf(world: World, pipeline: PlanPipeline, samples: readonly Sample[]): Promise<StepRow[]> {
  const { planner } = pipeline.opened;
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
