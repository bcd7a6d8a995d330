/**
 * Tunes vlm-tiny with the cuts of `yopo` active, and as long without them, and asks each model where drawings are,
 * before and after: `npx tsx research/visual-tokens/vlm-tiny/tune.ts DIR [STEPS [QUESTIONS]]`. What a folder holds
 * already is used or resumed; the answers go into research/visual-tokens/yopo/vlm-tiny.json, beside those after other
 * numbers of steps.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { load, resumeTraining, type TrainInput, train } from "../../../src/index.ts";
import { exactMatch } from "../../../src/lab/metrics/index.ts";
import { writeJson } from "../../../src/util/write-whole.ts";
import { root } from "../../../tools/section.ts";
import { shareOf } from "../../common/shares.ts";
import { everyItem, type ItemOf, itemsOf } from "../../common/tasks.ts";
import { type Arm, arms, type Told, type Tuned, tunedFile } from "./tuned-arms.ts";

const [dir, steps = "1000", questions = "2000"] = process.argv.slice(2);
if (dir === undefined) throw new Error("expected a folder for data and runs");
const MODEL = join(root, "packages/models/vlm-tiny");
/** Objects of a scene, at most: those of the model's own figures. */
const MOST = [1, 5] as const;
/** The seed of the lab's questions; vlm-tiny's figures use other questions. */
const SEED = 2;

/** Scenes that the model was not trained on, in its two kinds. */
const sets = [
  ["single", "--seed", "11", "--set", "most=1", "--set", "clutter=0.3"],
  ["scenes", "--seed", "12"],
] as const;

const data = sets.map(([name, ...options]) => {
  const file = join(dir, name, "questions.jsonl");
  if (!existsSync(file)) {
    const args = [
      "tsx",
      "research/visual-tokens/vlm-tiny/data.ts",
      "--out",
      join(dir, name),
      "--count",
      "8000",
      ...options,
    ];
    execFileSync("npx", args, { cwd: root, stdio: "inherit" });
  }
  return file;
});

const options = ({ recipe }: Arm): TrainInput => ({
  model: MODEL,
  ...(recipe !== undefined && { save: recipe }),
  ...{ data, tokens: 120, batch: 16, steps: Number(steps), validation: 0.02, seed: 1 },
  optimizer: { lr: 7e-4, weightDecay: 0.05 },
  schedule: { name: "cosine", warmup: 0.05, minimum: 0.05 },
  ...{ evaluateEvery: 250, saveEvery: 100 },
});

async function tune(arm: Arm): Promise<string> {
  const out = join(dir!, `${arm.name}, ${steps} steps`);
  if (existsSync(join(out, "model.safetensors"))) return out;
  const onStep = ({ step, loss }: { step: number; loss: number }) => {
    if (step % 50 === 0) process.stderr.write(`${arm.name} step ${step} loss ${loss.toFixed(4)}\n`);
  };
  if (existsSync(out)) await resumeTraining(out, { onStep });
  else await train(options(arm), { out, onStep });
  return out;
}

async function questionsAbout(most: number): Promise<ItemOf<"generation">[]> {
  const run = { ...everyItem, limit: Number(questions), seed: SEED };
  const items: ItemOf<"generation">[] = [];
  for await (const item of itemsOf("generation", `scenes:ask=where,most=${most}`, run)) items.push(item);
  return items;
}

const asked = await Promise.all(MOST.map(questionsAbout));

const rightness = (item: ItemOf<"generation">, text: string): number =>
  exactMatch.quality([exactMatch.part(item, { text }, { text })]);

/** Right answers, a digit a question, in scenes of one thing and of up to five. */
async function ask(folder: string, { name, recipe }: Arm, when: Told["when"]): Promise<Told> {
  using model = await load(folder, { quant: "f32", ...(recipe !== undefined && { save: [recipe] }) });
  const right: string[] = [];
  for (const items of asked) {
    const answers = await model.completeAll(
      items.map(({ prompt, images, maxTokens }) => ({ prompt, images, maxTokens, raw: true, temperature: 0 })),
    );
    right.push(items.map((item, i) => rightness(item, answers[i]!.text)).join(""));
  }
  const record = { name, when, right: { one: right[0]!, several: right[1]! } };
  console.error(when, name, right.map((digits) => shareOf(digits).toFixed(3)).join(" "));
  return record;
}

const records: Told[] = [];
for (const arm of arms) records.push(await ask(await tune(arm), arm, "after"));
for (const arm of arms) records.push(await ask(MODEL, arm, "before"));
const others: Tuned[] = existsSync(tunedFile) ? JSON.parse(readFileSync(tunedFile, "utf8")) : [];
const all = [...others.filter((one) => one.steps !== Number(steps)), { steps: Number(steps), told: records }];
await writeJson(
  tunedFile,
  all.toSorted((a, b) => a.steps - b.steps),
);
