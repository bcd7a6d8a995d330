import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { openPlanner, type TrainInput } from "../../src/index.ts";
import { seededRandom } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { modelHash, resolveModel, shippedFolder } from "../../src/weights/sources/index.ts";
import { root } from "../../tools/section.ts";
import { type ArmRow, armsOf } from "./arm-rows.ts";
import { lineOf, planned, save } from "./data.ts";
import { type StepRow, stepsOf } from "./plan-rows.ts";
import { roleOptions, trainer } from "./training.ts";
import { words } from "./worlds/words.ts";
import type { Sample } from "./worlds/world.ts";

// Studies a published chat model as the frozen executor of a planner trained from scratch: npx tsx
// research/planner/frozen.ts FOLDER It trains a planner on star graphs in words, and projectors on 2,000 further
// questions, once each; then it measures and writes research/planner/results/frozen.json. "planner" after FOLDER trains
// only the planner; "ship" puts what is trained into packages/models/planner-words and
// packages/models/planner-words+smollm2.

/** The contents of the result's file. */
export interface FrozenResult {
  readonly executor: string;
  readonly questions: number;
  readonly planTokens: number;
  readonly projectorSamples: number;
  readonly arms: readonly ArmRow[];
  readonly steps: readonly StepRow[];
}

const [EXECUTOR, SHIPPED] = ["smollm2", "planner-words"];
const [GRAPHS, QUESTIONS, TESTED] = [130_000, 2000, 200];
const STEPS = 4000;

const [folder = "frozen-run", only] = process.argv.slice(2);
const at = (...names: string[]): string => path.join(folder, ...names);
const trained = trainer(folder);

function samples(seed: number, count: number): Sample[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => words.training(random));
}

/** The questions of a projector, once each. */
const projectorOptions = (source: "plan" | "constant"): TrainInput => ({
  method: `projector:plan=${words.planTokens},template=${words.template},source=${source}`,
  model: `${at("planner")}+${EXECUTOR}`,
  data: at("questions.jsonl"),
  validation: 0,
  batch: 8,
  epochs: 1,
  seed: 1,
});

async function measure(): Promise<void> {
  const open = (source: string) =>
    openPlanner(`${at("planner")}+${EXECUTOR}`, { projector: at(`projector-${source}`) });
  using own = await open("plan");
  using constant = await open("constant");
  const tested = samples(77, TESTED);
  const arms = await armsOf(words, "frozen", own, { constant }, tested);
  const steps = await stepsOf(words, own, tested);
  const result: FrozenResult = {
    ...{ executor: EXECUTOR, questions: TESTED, planTokens: words.planTokens, projectorSamples: QUESTIONS },
    ...{ arms, steps },
  };
  await writeJson(path.join(root, "research", "planner", "results", "frozen.json"), result);
}

/** Puts planner and projector into `packages/models`; the projector is then for the planner's folder there, which has no run beside it. */
async function ship(): Promise<void> {
  const [planner, plan] = [shippedFolder(SHIPPED), path.join(shippedFolder(`${SHIPPED}+${EXECUTOR}`), "plan")];
  for (const part of [planner, plan]) mkdirSync(part, { recursive: true });
  for (const file of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
    copyFileSync(at("planner", file), path.join(planner, file));
  const receipt: object = JSON.parse(readFileSync(at("planner", "receipt.json"), "utf8"));
  await writeJson(path.join(planner, "receipt.json"), { ...receipt, model: SHIPPED });
  copyFileSync(at("projector-plan", "projector.safetensors"), path.join(plan, "projector.safetensors"));
  const identity = { name: SHIPPED, sha256: await modelHash(await resolveModel(planner)) };
  const projector: object = JSON.parse(readFileSync(at("projector-plan", "plan.json"), "utf8"));
  await writeJson(path.join(plan, "plan.json"), { ...projector, planner: identity });
}

if (only === "ship") {
  await ship();
  process.exit();
}
mkdirSync(folder, { recursive: true });
save(folder, "planner.jsonl", samples(1, GRAPHS).map(planned));
save(folder, "questions.jsonl", samples(2, QUESTIONS).map(lineOf));
await trained("planner", { ...roleOptions("planner", words, at("planner.jsonl")), batch: 16, steps: STEPS });
if (only === "planner") process.exit();
for (const source of ["plan", "constant"] as const) await trained(`projector-${source}`, projectorOptions(source));
await measure();
