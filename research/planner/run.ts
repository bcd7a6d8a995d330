import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sources } from "../../src/engine/diffusion/plan/latents.ts";
import type { TrainInput } from "../../src/index.ts";
import { root } from "../../tools/section.ts";
import { shipModel } from "../common/ship-model.ts";
import { writeData } from "./data.ts";
import { measure } from "./measure.ts";
import { cardAt, type Role, roleOptions, trainer } from "./training.ts";
import { countdowns } from "./worlds/countdown.ts";
import { starGraphs } from "./worlds/star-graphs.ts";

// Everything of research/planner/results: npx tsx research/planner/run.ts FOLDER [WORLD] [planner|executors] Star
// graphs are the usual world, and its models go into packages/models; countdown is the other one. A stopped run
// resumes: existing files in FOLDER are reused. "planner" or "executors" trains these alone: on two cores, side by
// side, before the rest.

const [folder = "planner-run", ...words] = process.argv.slice(2);
const world = words.includes(countdowns.name) ? countdowns : starGraphs;
const [alone, ...unknown] = words.filter((word) => word !== world.name);
if (unknown.length > 0 || !["planner", "executors", undefined].includes(alone))
  throw new Error(`expected FOLDER [star-graphs|countdown] [planner|executors], got ${words.join(" ")}`);
const at = (...names: string[]): string => path.join(folder, ...names);

const trained = trainer(folder);
const cardOf = (role: Role, data: string): TrainInput => roleOptions(role, world, at(data));

/** The number of steps in the planner's first phase, on short plans only. */
const FIRST_STEPS = 3000;
/** The rate of the second phase: at the first phase's 0.002, one step unlearned what that phase had learned. */
const LATER_RATE = 0.0007;

/** The second phase of the planner's training. */
function laterPlanner(): TrainInput {
  const { architecture: _, tokenizer: __, ...options } = cardOf("planner", "planner.jsonl");
  return { ...options, model: at("planner-first"), optimizer: { ...options.optimizer, lr: LATER_RATE } };
}

/** Puts a trained model into packages/models, with its options. */
async function ship(role: Role): Promise<void> {
  await shipModel(at(role), `${role}-tiny`);
  copyFileSync(cardAt(role), path.join(root, "packages/models", `${role}-tiny`, "train.yaml"));
}

mkdirSync(folder, { recursive: true });
writeData(folder, world);
if (alone !== "executors") {
  await trained("planner-first", { ...cardOf("planner", "planner-first.jsonl"), steps: FIRST_STEPS });
  await trained("planner", laterPlanner());
}
if (alone !== "planner") await trained("executor", cardOf("executor", "executor-plans.jsonl"));
if (alone !== "planner") await trained("executor-plain", cardOf("executor", "executor-plain.jsonl"));
if (alone !== undefined) process.exit();
const ships = world === starGraphs;
if (ships) for (const role of ["planner", "executor"] as const) await ship(role);

/** The folder of a role's model: as it is shipped, in float16, if it is. */
const modelOf = (role: string): string => (ships ? path.join(root, "packages/models", `${role}-tiny`) : at(role));
const [planner, executor] = [modelOf("planner"), modelOf("executor")];

const projector = (source: string, reader: string): TrainInput => ({
  method: `projector:plan=${world.planTokens},template=bare-1,source=${source}`,
  model: `${planner}+${reader}`,
  data: at("questions.jsonl"),
  validation: 0.05,
  batch: 32,
  epochs: 3,
  evaluateEvery: 100,
  seed: 1,
});
for (const source of sources) await trained(`projector-${source}`, projector(source, executor));
await trained("projector-plain", projector("plan", at("executor-plain")));
if (ships) shipProjector();
await measure(world, { folder, planner, executor });

function shipProjector(): void {
  const artefact = path.join(root, "packages/models", "planner-tiny+executor-tiny", "plan");
  mkdirSync(artefact, { recursive: true });
  copyFileSync(at("projector-plan", "projector.safetensors"), path.join(artefact, "projector.safetensors"));
  const metadata = JSON.parse(readFileSync(at("projector-plan", "plan.json"), "utf8"));
  for (const role of ["planner", "executor"]) metadata[role].name = `${role}-tiny`;
  writeFileSync(path.join(artefact, "plan.json"), `${JSON.stringify(metadata, null, 2)}\n`);
}
