import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "../../src/util/random.ts";
import { type Sample, trainingSample } from "./world.ts";

// Writes the training data of planner-tiny and its executors: npx tsx tools/planner/data.ts FOLDER [SAMPLES]

interface Line {
  readonly prompt: string;
  readonly completion: string;
}

/** A plan stands between = and >; the answer follows >. */
const planned = ({ question, plan }: Sample): Line => ({ prompt: `${question}=`, completion: plan });
const withPlan = ({ question, plan, answer }: Sample): Line => ({
  prompt: `${question}=`,
  completion: `${plan}>${answer}`,
});
const plain = ({ question, answer }: Sample): Line => ({ prompt: `${question}>`, completion: answer });

const [folder = "planner-data", count = "100000"] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const random = seededRandom(1);
const samples = Array.from({ length: Number(count) }, () => trainingSample(random));
const save = (name: string, lines: readonly Line[]) =>
  writeFileSync(path.join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
save("planner.jsonl", samples.map(planned));
save(
  "executor-plans.jsonl",
  samples.map((sample, i) => (i % 2 === 0 ? withPlan(sample) : plain(sample))),
);
save("executor-plain.jsonl", samples.map(plain));
