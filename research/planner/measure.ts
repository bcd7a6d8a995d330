import { mkdirSync } from "node:fs";
import path from "node:path";
import { openPlanner } from "../../src/index.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { type ArmRow, armsOf, digits } from "./arm-rows.ts";
import { type PlannerRow, plannersOf, type StepRow, stepsOf } from "./plan-rows.ts";
import { anyLookUp, isKnown } from "./worlds/look-ups.ts";
import type { World } from "./worlds/world.ts";

const QUESTIONS = 300;

/** The contents of the result's file. */
export interface Result {
  readonly questions: number;
  readonly planTokens: number;
  /** Accuracy of guessing among what questions allow, by task; missing in the first results. */
  readonly chance?: Readonly<Record<string, number>>;
  readonly arms: readonly ArmRow[];
  readonly planners: readonly PlannerRow[];
  readonly steps: readonly StepRow[];
  /** One digit per look-up: 1 if training showed its key. */
  readonly known: string;
}

/** Folders of what a run has trained. */
export interface Trained {
  readonly folder: string;
  readonly planner: string;
  /** The executor that saw half plans. */
  readonly executor: string;
}

/** Measures the models that a run has trained, and writes the result. */
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
