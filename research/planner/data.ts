import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "../../src/util/random.ts";
import { lookUp } from "./worlds/look-ups.ts";
import type { Sample, World } from "./worlds/world.ts";

interface Line {
  readonly prompt: string;
  readonly completion: string;
}

/** The plan is between = and >; the answer follows >. */
export const planned = ({ question, plan }: Sample): Line => ({ prompt: `${question}=`, completion: plan });
const withPlan = ({ question, plan, answer }: Sample): Line => ({
  prompt: `${question}=`,
  completion: `${plan}>${answer}`,
});
const plain = ({ question, answer }: Sample): Line => ({ prompt: `${question}>`, completion: answer });
export const lineOf = ({ question, answer }: Sample): Line => ({ prompt: question, completion: answer });

/** The number of samples for training the models, for a planner's first phase, and for a projector. */
const [SAMPLES, FIRST, QUESTIONS] = [300_000, 150_000, 4000];

/** Writes the training data into a folder, unless they are there. */
export function writeData(folder: string, world: World): void {
  const random = seededRandom(1);
  const samples = Array.from({ length: SAMPLES }, () => world.training(random));
  const others = seededRandom(2);
  const questions = Array.from({ length: QUESTIONS }, (_, i) => (i % 10 === 0 ? lookUp(others) : world.asked(others)));
  const first = seededRandom(3);
  save(
    folder,
    "planner-first.jsonl",
    Array.from({ length: FIRST }, () => planned(world.beginning(first))),
  );
  save(folder, "planner.jsonl", samples.map(planned));
  save(
    folder,
    "executor-plans.jsonl",
    samples.map((sample, i) => (i % 2 === 0 ? withPlan(sample) : plain(sample))),
  );
  save(folder, "executor-plain.jsonl", samples.map(plain));
  save(folder, "questions.jsonl", questions.map(lineOf));
}

/** Writes lines into a folder, unless they are there. */
export function save(folder: string, name: string, lines: readonly object[]): void {
  const file = path.join(folder, name);
  if (!existsSync(file)) writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
