/**
 * planner-words beside SmolLM2 with several seeds and all controls: `npx tsx research/planner/seeds.ts FOLDER [SEEDS [SAMPLES [ARMS]]]`.
 * The planner is the shipped one; projectors and adapters are trained in FOLDER, once on each sample. Appends a line a
 * seed and arm to research/planner/results/frozen-seeds.jsonl, and skips those that are there. SEEDS are numbers, of which 0 has the shipped projector, and ARMS names
 * of `arms`, both joined by commas.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { load, openPlanner, type PlanPipeline } from "../../src/index.ts";
import { seededRandom } from "../../src/util/random.ts";
import { digits } from "./arm-rows.ts";
import { answerBy, noise, type Place, planningOf, planOf } from "./arms.ts";
import { lineOf, save } from "./data.ts";
import { type ArmName, arms, seedRows, writeRow } from "./seed-rows.ts";
import { trainer } from "./training.ts";
import { words } from "./worlds/words.ts";
import type { Sample } from "./worlds/world.ts";

const [folder = "seeds-run", seeds = "0,1,2", count = "2000", only] = process.argv.slice(2);
const [PAIR, TESTED] = ["planner-words+smollm2", 200];
/** The data and the seed of the first results, whose projector of plans is shipped. */
const SHIPPED = 0;
const at = (...names: string[]): string => path.join(folder, ...names);
const trained = trainer(folder);

function samples(seed: number, size: number): Sample[] {
  const random = seededRandom(seed);
  return Array.from({ length: size }, () => words.training(random));
}
const tested = samples(77, TESTED);
const trainingOf = (seed: number): Sample[] => samples(seed === SHIPPED ? 2 : 100 + seed, Number(count));

const common = (seed: number) => ({
  ...{ validation: 0, batch: 8, epochs: 1, saveEvery: 25 },
  seed: seed === SHIPPED ? 1 : seed,
});

const latent = planningOf("latent", words);
const onePass = planningOf("latent", words, { steps: 1 });

/** Trains a projector and opens planner and executor with it. */
async function projected(seed: number, source: string, more = ""): Promise<PlanPipeline> {
  if (seed === SHIPPED && source === "plan" && more === "") return openPlanner(PAIR, { threads: 1 });
  const name = `${source}${more}-${count}-${seed}`;
  save(folder, `questions-${count}-${seed}.jsonl`, trainingOf(seed).map(lineOf));
  await trained(name, {
    ...common(seed),
    method: `projector:plan=${words.planTokens},template=${words.template},source=${source}${more}`,
    ...{ model: PAIR, data: at(`questions-${count}-${seed}.jsonl`) },
  });
  return openPlanner(PAIR, { projector: at(name), threads: 1 });
}

async function answered(pipeline: PlanPipeline, place: Place): Promise<string> {
  const right: boolean[] = [];
  for (const [i, sample] of tested.entries())
    right.push((await answerBy(pipeline.opened, words, sample, await place(i))).right);
  return digits(right);
}

/** Runs an arm with its own projector. */
async function byProjector(seed: number, source: string, planning = latent, more = ""): Promise<string> {
  using pipeline = await projected(seed, source, more);
  return await answered(pipeline, planOf(pipeline.opened, tested, planning));
}

/** Runs the plan's projector on inputs that it was not trained on. */
async function byPlan(seed: number, placeOf: (pipeline: PlanPipeline) => Place): Promise<string> {
  using pipeline = await projected(seed, "plan");
  return await answered(pipeline, placeOf(pipeline));
}

/** A chat's turn in the template half-1. */
const turnOf = (question: string, plan: string | undefined): string =>
  `${question}\n\n${plan === undefined ? "" : `Plan: ${plan}\n\n`}Give the answer alone.`;

/** The planner's plans as text, one a sample. */
async function plansOf(all: readonly Sample[]): Promise<string[]> {
  using planner = await load("planner-words", { quant: "f32", threads: 1 });
  const plans: string[] = [];
  for (const { question } of all) {
    const { text } = await planner.complete(`${question}=`, {
      ...{ raw: true, maxTokens: words.planTokens, temperature: 0 },
    });
    plans.push(text.trim());
  }
  return plans;
}

/** SmolLM2 with an adapter that was trained to answer, with the planner's plans in its prompts or without. */
async function byAdapter(seed: number, planned: boolean): Promise<string> {
  const turns = async (all: readonly Sample[]): Promise<string[]> => {
    const plans = planned ? await plansOf(all) : [];
    return all.map(({ question }, i) => turnOf(question, plans[i]));
  };
  const name = `${planned ? "text" : "alone"}-${count}-${seed}`;
  const rows = trainingOf(seed);
  const content = await turns(rows);
  const lines = rows.map(({ answer }, i) => ({
    messages: [
      { role: "user", content: content[i]! },
      { role: "assistant", content: answer },
    ],
  }));
  save(folder, `${name}.jsonl`, lines);
  await trained(name, {
    ...common(seed),
    ...{ model: "smollm2", lora: { rank: 4, alpha: 16 }, optimizer: { lr: 1e-3, weightDecay: 0 } },
    ...{ schedule: { name: "cosine", warmup: 0.03, minimum: 0 }, data: at(`${name}.jsonl`), tokens: 80 },
  });
  using model = await load("smollm2", { adapter: at(name) });
  const right: boolean[] = [];
  for (const [i, content] of (await turns(tested)).entries()) {
    const { text } = await model.complete([{ role: "user", content }], {
      maxTokens: words.answerTokens,
      temperature: 0,
    });
    right.push(words.answers(tested[i]!, text));
  }
  return digits(right);
}

function rightOf(arm: ArmName, seed: number): Promise<string> {
  switch (arm) {
    case "latent plan":
      return byProjector(seed, "plan");
    case "latent plan of another question":
      return byPlan(seed, ({ opened }) => planOf(opened, tested, latent, 1));
    case "noise as long":
      return byPlan(seed, ({ opened }) => noise(opened, tested, latent));
    case "latent plan of one pass":
      return byPlan(seed, ({ opened }) => planOf(opened, tested, onePass));
    case "latent plan of one pass with a projector of its own":
      return byProjector(seed, "plan", onePass, ",steps=1");
    case "question's token rows":
      return byProjector(seed, "question");
    case "constant vectors":
      return byProjector(seed, "constant");
    case "executor's own states":
      return byProjector(seed, "executor");
    case "text plan with an adapter trained on plans":
      return byAdapter(seed, true);
    case "no plan with an adapter trained alike":
      return byAdapter(seed, false);
  }
}

mkdirSync(folder, { recursive: true });
for (const seed of seeds.split(",").map(Number))
  for (const arm of arms.filter((name) => !only || only.split(",").includes(name))) {
    const done = seedRows().some((row) => row.seed === seed && row.arm === arm && row.samples === Number(count));
    if (done) continue;
    const right = await rightOf(arm, seed);
    writeRow({ seed, arm, samples: Number(count), right });
    process.stderr.write(`seed ${seed}, ${arm}: ${right.replaceAll("0", "").length / right.length}\n`);
  }
